// A server of HTTP/2 and HTTP/1.1 by TLS that writes down what reaches it. usage: node http2_server.js CERTIFICATE KEY OBSERVED
// Prints its port. /echo sends back what it was asked with (?header, ?bytes, ?trailer: where), POST counts, the rest says hello.
const fs = require("fs");
const http2 = require("http2");
const [certificate, key, observed] = process.argv.slice(2);
const note = line => fs.appendFileSync(observed, line + "\n");
const server = http2.createSecureServer({cert: fs.readFileSync(certificate), key: fs.readFileSync(key), allowHTTP1: true});

server.on("request", (request, response) => { // HTTP/1.1, and HTTP/2 by the same interface
    const headers = request.headers;
    note(`h${request.httpVersion} ${request.method} ${headers[":authority"] || headers.host} ${request.url}`);
    if (headers.authorization) note("authorization " + headers.authorization);
    if (request.method === "POST") {
        let size = 0;
        request.on("data", part => size += part.length);
        request.on("end", () => { if (request.aborted || request.stream?.rstCode) return; note("trailers " + JSON.stringify(request.trailers)); response.end(`got ${size}\n`); });
        return;
    }
    const [path, form] = request.url.split("?");
    if (path === "/big") return response.end(Buffer.alloc(3000000, "b"));
    if (path === "/never") return;
    if (path !== "/echo") return response.end(`hello by ${request.httpVersion}\n`);
    const body = Object.entries(headers).map(([name, value]) => name + ": " + value).join("\n") + "\n";
    if (form === "header") response.setHeader("X-Echo", headers.authorization || "none");
    if (form === "bytes") {
        let at = 0;
        const next = () => at < body.length ? (response.write(body[at++]), setImmediate(next)) : response.end();
        return next();
    }
    if (form === "trailer") {
        response.addTrailers({"x-echo": headers.authorization || "none"});
        return response.end("see below\n");
    }
    response.end(body);
});
server.on("sessionError", () => {});
server.on("error", () => {});
process.stdin.resume().on("end", () => process.exit()); // whoever started us has gone
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
