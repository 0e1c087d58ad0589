-- Trace store, schema version 1 (PRAGMA user_version). application_id is 'TLtr'.
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
  probes          TEXT NOT NULL,         -- 'tracepoint' or 'lsm'
  exit_status     INTEGER,               -- as a shell says it
  complete        INTEGER NOT NULL DEFAULT 0,
  incomplete_because TEXT NOT NULL DEFAULT '["the collector did not finish"]', -- JSON array of sentences
  certificate     TEXT                   -- JSON: probes attached, canaries passed, drops, kernel
) STRICT;

CREATE TABLE loss (                      -- what was not recorded, by cause
  run   INTEGER NOT NULL REFERENCES run(id),
  cause TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (run, cause)
) STRICT, WITHOUT ROWID;

CREATE TABLE process (                   -- a process image: one row for each program a process executed
  id         INTEGER PRIMARY KEY,
  run        INTEGER NOT NULL REFERENCES run(id),
  parent     INTEGER,                    -- process.id; NULL for the first
  pid        INTEGER NOT NULL,
  exe        BLOB NOT NULL,              -- file names are bytes
  argv       TEXT NOT NULL,              -- JSON array; bytes that are no UTF-8 become U+FFFD
  started_ns INTEGER NOT NULL,
  ended_ns   INTEGER,
  exit_status INTEGER
) STRICT;
CREATE INDEX process_run ON process(run);

CREATE TABLE path (
  id   INTEGER PRIMARY KEY,
  path BLOB NOT NULL UNIQUE
) STRICT;

CREATE TABLE file_access (
  run       INTEGER NOT NULL REFERENCES run(id),
  process   INTEGER NOT NULL REFERENCES process(id),
  path      INTEGER NOT NULL REFERENCES path(id),
  access    INTEGER NOT NULL,            -- collector/trace.h AccessKind
  result    INTEGER NOT NULL,
  count     INTEGER NOT NULL,
  first_ns  INTEGER NOT NULL,
  last_ns   INTEGER NOT NULL,
  directory INTEGER NOT NULL DEFAULT 0,
  created_by_run INTEGER NOT NULL DEFAULT 0,
  gone_at_end    INTEGER NOT NULL DEFAULT 0,
  requested INTEGER REFERENCES path(id), -- as the program asked, where that differs
  PRIMARY KEY (run, process, path, access, result)
) STRICT, WITHOUT ROWID;

CREATE TABLE socket_access (
  run       INTEGER NOT NULL REFERENCES run(id),
  process   INTEGER NOT NULL REFERENCES process(id),
  operation TEXT NOT NULL,               -- connect, bind, listen, send
  protocol  TEXT NOT NULL,               -- tcp, udp, unix, icmp, netlink, other
  address   BLOB NOT NULL,               -- address text, UNIX path or '@' and the abstract name
  port      INTEGER NOT NULL,
  host      TEXT NOT NULL DEFAULT '',
  result    INTEGER NOT NULL,
  count     INTEGER NOT NULL,
  first_ns  INTEGER NOT NULL,
  last_ns   INTEGER NOT NULL,
  PRIMARY KEY (run, process, operation, protocol, address, port, host, result)
) STRICT, WITHOUT ROWID;

CREATE TABLE name_lookup (
  run       INTEGER NOT NULL REFERENCES run(id),
  process   INTEGER NOT NULL REFERENCES process(id),
  name      TEXT NOT NULL,
  address   TEXT NOT NULL,               -- '' for a failed lookup
  PRIMARY KEY (run, process, name, address)
) STRICT, WITHOUT ROWID;

CREATE TABLE exchange (                  -- TLS and HTTP as the gateway saw them
  id        INTEGER PRIMARY KEY,
  run       INTEGER NOT NULL REFERENCES run(id),
  process   INTEGER REFERENCES process(id),
  host      TEXT NOT NULL,
  port      INTEGER NOT NULL,
  server_name TEXT NOT NULL DEFAULT '',
  method    TEXT NOT NULL DEFAULT '',
  path      TEXT NOT NULL DEFAULT '',
  bytes_up  INTEGER NOT NULL DEFAULT 0,
  bytes_down INTEGER NOT NULL DEFAULT 0,
  count     INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE TABLE syscall_use (
  run       INTEGER NOT NULL REFERENCES run(id),
  process   INTEGER NOT NULL REFERENCES process(id),
  number    INTEGER NOT NULL,
  name      TEXT NOT NULL,
  PRIMARY KEY (run, process, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE environment_name (
  run       INTEGER NOT NULL REFERENCES run(id),
  process   INTEGER NOT NULL REFERENCES process(id),
  name      TEXT NOT NULL,
  read      INTEGER NOT NULL DEFAULT 0,  -- seen to be read, not merely present
  PRIMARY KEY (run, process, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE fact (                      -- provenance: written then executed, inherited descriptor, peak memory…
  run       INTEGER NOT NULL REFERENCES run(id),
  process   INTEGER REFERENCES process(id),
  kind      TEXT NOT NULL,
  path      INTEGER REFERENCES path(id),
  value     TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX fact_run ON fact(run);
