// What the fuzzers feed bytes to. Each says by an exception or a sanitizer's report that something is wrong;
// any bytes at all are fine input.
#pragma once

#include <string_view>

namespace treadline::fuzz {

void events(std::string_view bytes);   // one record of the probes
void recorder(std::string_view bytes); // records one after another, into a store
void dns(std::string_view bytes);      // one DNS message
void varlink(std::string_view bytes);  // one message to or from systemd-resolved
// Pieces of conversations with resolvers: each a byte of flags, two of size (little-endian), and the piece.
void traffic(std::string_view bytes);
// What programs send to the egress gateway: the first bytes of a TLS connection, a DNS question, an HTTP request.
void client_hello(std::string_view bytes);
void dns_question(std::string_view bytes);
void http_head(std::string_view bytes);
void observed(std::string_view bytes); // what a program says on a connection that is only recorded; in parts, see there
void held_back(std::string_view bytes);      // an answer in pieces, of the sizes its first bytes say
void kept_exchanges(std::string_view bytes); // what a gateway says it has kept of a run
void redacted(std::string_view bytes);       // a request's target, or what a redirection leads to
void request_target(std::string_view bytes); // of a request, against a rule for a path
void socks(std::string_view bytes);          // a SOCKS5 greeting, and the same bytes as a request
void proxy_head(std::string_view bytes);     // a request to an HTTP proxy

void landlock_records(std::string_view bytes); // of the kernel's audit log, a line each: type, a space, the text
void http2(std::string_view bytes);          // all that a program says on a connection; the first byte is the size of the parts

} // namespace treadline::fuzz
