"""The tables of a file of written rows.

`rows` holds what stands, `events` how it came to be: each change of a state with the text as it was then, and of a draft one a
minute. `version` of a row grows with each change, so that nobody overwrites what they have not seen.
"""

APPLICATION = 0x74756E65  # "tune"

STEPS = (
    """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE guides (
    number INTEGER PRIMARY KEY AUTOINCREMENT, hash TEXT NOT NULL UNIQUE, form TEXT NOT NULL, guidelines TEXT NOT NULL,
    ts TEXT NOT NULL);
CREATE TABLE seeds (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, given TEXT NOT NULL);
CREATE TABLE rows (
    id TEXT PRIMARY KEY, writer TEXT NOT NULL, seed TEXT REFERENCES seeds (id),
    state TEXT NOT NULL CHECK (state IN ('draft', 'submitted', 'sent back', 'accepted', 'discarded')),
    fields TEXT NOT NULL, begun INTEGER NOT NULL DEFAULT 0, guide TEXT NOT NULL REFERENCES guides (hash),
    version INTEGER NOT NULL DEFAULT 0, seconds REAL NOT NULL DEFAULT 0, comment TEXT NOT NULL DEFAULT '',
    reviewer TEXT NOT NULL DEFAULT '', tab TEXT NOT NULL DEFAULT '', number INTEGER NOT NULL DEFAULT 0,
    changed REAL NOT NULL, made TEXT NOT NULL, submitted TEXT NOT NULL DEFAULT '', reviewed TEXT NOT NULL DEFAULT '');
CREATE INDEX rows_of ON rows (writer, state);
CREATE INDEX rows_queue ON rows (state, submitted, id);
CREATE INDEX rows_on ON rows (seed);
CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, row TEXT NOT NULL REFERENCES rows (id),
    person TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, version INTEGER NOT NULL, fields TEXT NOT NULL,
    comment TEXT NOT NULL, ts TEXT NOT NULL);
CREATE INDEX events_of ON events (row, number);
CREATE INDEX events_by ON events (person, number);
CREATE TRIGGER never_changed BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'an event is never changed'); END;
CREATE TRIGGER never_removed BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'an event is never removed'); END;
CREATE TABLE claims (row TEXT PRIMARY KEY REFERENCES rows (id), person TEXT NOT NULL, tab TEXT NOT NULL, until REAL NOT NULL);
""",
)

# The first seed on which fewer than `overlap` others write, and this person never did. A draft counts while it is fresh.
OPEN_SEED = """
SELECT id FROM seeds WHERE NOT EXISTS (SELECT 1 FROM rows WHERE rows.seed = seeds.id AND fold(writer) = fold(:writer))
    AND (SELECT count(*) FROM rows WHERE rows.seed = seeds.id AND state <> 'discarded'
         AND (state <> 'draft' OR changed > CASE begun WHEN 0 THEN :untouched ELSE :touched END)) < :overlap
ORDER BY number LIMIT 1
"""

# Rows for this person to review, those in their hands first, then the oldest; after the row `after` where one is named.
QUEUE = """
SELECT rows.id FROM rows LEFT JOIN claims ON claims.row = rows.id AND until > :now
WHERE state = 'submitted' AND fold(writer) <> fold(:person)
    AND (claims.row IS NULL OR (claims.person = :person AND claims.tab = :tab))
ORDER BY (:after <> '' AND (submitted, rows.id) <= (SELECT submitted, id FROM rows WHERE id = :after)),
    (claims.row IS NULL), submitted, rows.id
LIMIT 1
"""
