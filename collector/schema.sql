-- Trace store, schema version 4 (PRAGMA user_version). application_id is 'TLtr'.
--
-- Made to be appended to. A process, path, file access, system call or fact of a run has the key
-- `run << 32 | number`, numbered from 1 in the order they came: rows land at the end of their run, a run is one range
-- of keys, and the writer knows a key before the row is stored. Where one row names another (`process`, `path`,
-- `parent`, `requested`), it is by that number, within the same run.
-- Times are nanoseconds since the run's start unless a name says otherwise. `result` is 0 or an errno.
PRAGMA application_id = 0x544c7472;

CREATE TABLE run (
  id              INTEGER PRIMARY KEY,
  started_unix_ms INTEGER NOT NULL,
  duration_ms     INTEGER,               -- NULL while running, or when the collector died
  command         TEXT NOT NULL,         -- JSON array
  cwd             TEXT NOT NULL,
  project         TEXT NOT NULL,
  home            TEXT NOT NULL,
  user            TEXT NOT NULL,
  uid             INTEGER NOT NULL,
  hostname        TEXT NOT NULL,
  kernel          TEXT NOT NULL,
  landlock_abi    INTEGER NOT NULL,
  treadline       TEXT NOT NULL,         -- version that wrote the run
  probes          TEXT NOT NULL,         -- 'tracepoint' or 'lsm'; 'none' where nothing was traced, and exchanges were captured
  exit_status     INTEGER,               -- as a shell says it
  complete        INTEGER NOT NULL DEFAULT 0,
  incomplete_because TEXT NOT NULL DEFAULT '["the collector did not finish"]', -- JSON array of sentences
  certificate     TEXT,                  -- JSON: probes attached, canaries passed, drops, kernel
  processes       INTEGER,               -- rows, counted at the end
  accesses        INTEGER,               -- to files and sockets; what was only looked at is not among them
  network         TEXT NOT NULL DEFAULT 'host' -- 'gateway': what left went through the egress gateway, which recorded it
) STRICT;

CREATE TABLE loss (                      -- what was not recorded, by cause
  run   INTEGER NOT NULL REFERENCES run(id),
  cause TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (run, cause)
) STRICT, WITHOUT ROWID;

CREATE TABLE process (                   -- a process image: one row for each program a process executed
  id         INTEGER PRIMARY KEY,
  parent     INTEGER,                    -- NULL for the first
  pid        INTEGER NOT NULL,
  exe        BLOB NOT NULL,              -- file names are bytes
  argv       TEXT NOT NULL,              -- JSON array; bytes that are no UTF-8 become U+FFFD
  started_ns INTEGER NOT NULL,
  ended_ns   INTEGER,
  exit_status INTEGER
) STRICT;

CREATE TABLE path (
  id     INTEGER PRIMARY KEY,
  parent INTEGER NOT NULL,               -- the directory, always a lower number; 0: `name` is the whole path
  name   BLOB NOT NULL
) STRICT;

CREATE TABLE file_access (               -- one row for each (process, path, access, result)
  id        INTEGER PRIMARY KEY,
  process   INTEGER NOT NULL,
  path      INTEGER NOT NULL,
  access    INTEGER NOT NULL,            -- collector/trace.h AccessKind
  result    INTEGER NOT NULL,
  count     INTEGER NOT NULL,
  first_ns  INTEGER NOT NULL,
  lasted_ns INTEGER NOT NULL,            -- from the first to the last one
  flags     INTEGER NOT NULL,            -- 1 directory, 2 created by the run, 4 gone at its end, 8 opened with O_CREAT though it was there, 16 made exclusively, 32 by way of a link the run made
  requested INTEGER                      -- as the program asked, where that differs
) STRICT;

CREATE TABLE socket_access (
  run       INTEGER NOT NULL REFERENCES run(id),
  process   INTEGER NOT NULL,
  operation TEXT NOT NULL,               -- connect, bind, listen, send
  protocol  TEXT NOT NULL,               -- tcp, udp, unix, icmp, netlink, other
  address   BLOB NOT NULL,               -- address text, UNIX path or '@' and the abstract name
  port      INTEGER NOT NULL,
  host      TEXT NOT NULL DEFAULT '',
  candidates TEXT NOT NULL DEFAULT '[]', -- JSON array: names that fit the address, when more than one does
  result    INTEGER NOT NULL,
  count     INTEGER NOT NULL,
  first_ns  INTEGER NOT NULL,
  last_ns   INTEGER NOT NULL,
  PRIMARY KEY (run, process, operation, protocol, address, port, host, result)
) STRICT, WITHOUT ROWID;

CREATE TABLE name_lookup (
  run       INTEGER NOT NULL REFERENCES run(id),
  process   INTEGER NOT NULL,
  name      TEXT NOT NULL,
  address   TEXT NOT NULL,               -- '' for a failed lookup
  PRIMARY KEY (run, process, name, address)
) STRICT, WITHOUT ROWID;

CREATE TABLE gateway_name (              -- addresses that stood for a name in this run, each for one
  run       INTEGER NOT NULL REFERENCES run(id),
  address   TEXT NOT NULL,
  name      TEXT NOT NULL,
  PRIMARY KEY (run, address)
) STRICT, WITHOUT ROWID;

CREATE TABLE exchange (                  -- what went through the gateway; key as above
  id        INTEGER PRIMARY KEY,
  host      TEXT NOT NULL,               -- the name that was looked up; '' where an address was dialled
  address   TEXT NOT NULL,               -- what was reached for it, or was not; '' for nothing
  port      INTEGER NOT NULL,
  protocol  TEXT NOT NULL,               -- tls, http, other; '' where nothing was said
  server_name TEXT NOT NULL,             -- that TLS asked for
  problem   TEXT NOT NULL,               -- why a rule for host and port alone would not let it pass; '' where it would
  method    TEXT NOT NULL,               -- of requests; '' in a row about connections
  path      TEXT NOT NULL,               -- their shape: what looks drawn is '*', and there is no query
  result    INTEGER NOT NULL,
  count     INTEGER NOT NULL,            -- of connections, or of requests
  bytes_up  INTEGER NOT NULL,            -- of connections
  bytes_down INTEGER NOT NULL
) STRICT;

CREATE TABLE captured (                  -- HTTP exchanges to be served back, redacted, in the order they were asked for; key as above
  id        INTEGER PRIMARY KEY,
  host      TEXT NOT NULL,               -- the name that was looked up, or the address that was dialled
  port      INTEGER NOT NULL,
  secure    INTEGER NOT NULL,            -- inside TLS
  method    TEXT NOT NULL,
  target    BLOB NOT NULL,               -- path and query
  conditions BLOB NOT NULL,              -- of the request: Range, If-None-Match…, 'name: value' and a line's end each
  accept    BLOB NOT NULL,
  body_digest TEXT NOT NULL,             -- SHA-256 of the request's body, hexadecimal; '' for none
  status    INTEGER NOT NULL,            -- of the answer; 0 where it cannot be served back
  reason    BLOB NOT NULL,
  fields    BLOB NOT NULL,               -- as conditions
  body      BLOB NOT NULL,               -- without framing
  unusable  TEXT NOT NULL                -- why it cannot be served back; '' where it can
) STRICT;

CREATE TABLE syscall_name (
  run       INTEGER NOT NULL REFERENCES run(id),
  number    INTEGER NOT NULL,
  name      TEXT NOT NULL,
  PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE syscall_use (
  id        INTEGER PRIMARY KEY,
  process   INTEGER NOT NULL,
  number    INTEGER NOT NULL             -- syscall_name.number
) STRICT;

CREATE TABLE environment_name (
  run       INTEGER NOT NULL REFERENCES run(id),
  process   INTEGER NOT NULL,
  name      TEXT NOT NULL,
  read      INTEGER NOT NULL DEFAULT 0,  -- seen to be read, not merely present
  PRIMARY KEY (run, process, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE fact (                      -- provenance: written then executed, inherited descriptor, peak memory…
  id        INTEGER PRIMARY KEY,
  process   INTEGER,                     -- NULL: of the whole run
  kind      TEXT NOT NULL,
  path      INTEGER,
  value     TEXT NOT NULL DEFAULT ''
) STRICT;
