"""The tables of a file of votes, and the question who may be given what."""

from tunesmith.serving.pairs import BLANKS

TABLES = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE pairs (
    id TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, rank INTEGER NOT NULL, prompt TEXT NOT NULL, first TEXT, second TEXT,
    first_model TEXT NOT NULL, second_model TEXT NOT NULL, gold TEXT, votes INTEGER NOT NULL DEFAULT 0,
    shown INTEGER AS (coalesce(trim(first, {blanks}) <> trim(second, {blanks}), 0)) STORED,
    control INTEGER AS (gold IS NOT NULL) STORED);
CREATE INDEX open_pairs ON pairs (shown, control, votes, rank, id);
CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
    pair TEXT NOT NULL REFERENCES pairs (id), annotator TEXT NOT NULL, verdict TEXT, side TEXT NOT NULL, reason TEXT NOT NULL,
    note TEXT NOT NULL, seconds REAL NOT NULL, ts TEXT NOT NULL, undoes INTEGER UNIQUE REFERENCES events (number));
CREATE INDEX events_of ON events (annotator, pair);
CREATE TRIGGER never_changed BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'an event is never changed'); END;
CREATE TRIGGER never_removed BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'an event is never removed'); END;
CREATE VIEW standing AS SELECT * FROM events AS event WHERE kind <> 'undo'
    AND NOT EXISTS (SELECT 1 FROM events AS later WHERE later.undoes = event.number);
CREATE TABLE claims (annotator TEXT, tab TEXT, pair TEXT NOT NULL, until REAL NOT NULL, PRIMARY KEY (annotator, tab));
CREATE INDEX claims_on ON claims (pair);
"""
STEPS = (TABLES.replace("{blanks}", " || ".join(f"char({ord(blank)})" for blank in BLANKS)),)
COLUMNS = "id, key, rank, prompt, first, second, first_model, second_model, gold"

# Pairs that this person may be given: fewer than `overlap` others have judged them (with `counting`: or have them before them).
# Control items are for everybody.
OPEN = """
SELECT id, control, votes, rank,
    EXISTS (SELECT 1 FROM claims WHERE claims.pair = pairs.id AND annotator = :annotator AND until > :now) AS mine
FROM pairs LEFT JOIN (
    SELECT pair, count(DISTINCT annotator) AS people FROM claims WHERE annotator <> :annotator AND until > :now GROUP BY pair
) AS held ON held.pair = pairs.id
WHERE shown = 1 AND (control = 1 OR votes + :counting * coalesce(held.people, 0) < :overlap)
    AND NOT EXISTS (SELECT 1 FROM standing WHERE standing.pair = pairs.id AND annotator = :annotator)
"""
