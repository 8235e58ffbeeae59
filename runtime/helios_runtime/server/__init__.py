"""Worlds for other processes: the server, its sessions and the engine that steps them. Importing this loads nothing.

Three threads work together and never wait for one another:

- **the loop** owns the socket and the table of sessions: `loop` (the thread), `watch` (connections that end), `desk`
  (where messages come in), `mail` (where they go out), `life` (sessions begin, change hands and end), `requests` and
  `chunks` (what sessions ask for), `errands` (work in several steps), `floor` (what these share). Values without
  threads: `sessions`, `sequence` (at most once), `latest` (input of streams), `answers` (chunks as messages), `quota`,
  `errors`.
- **the engine** owns the model and all worlds: `engine` (the thread), `batching` (whose turn it is), `seats`, `seat`
  and `recordings` (the worlds). `jobs` is what the loop asks of it.
- **the clerk** encodes frames and writes files: `clerk` (the thread), `store` (sessions on disk).

Around them: `server` puts it together, `settings`, `security`, `metrics`, `logs`, `notify`.
"""
