"""What PostgreSQL itself keeps of the book: the time and the person of an event, the chain, and that no decision is
without one. See docs/adr/0003-a-book-that-the-database-keeps.md.
"""

from django.db.migrations import RunSQL

MOST_OPEN = 16
"""The newest events about a thing that are looked at for those that none names yet."""

LINE = """-- The owner of the tables, who migrates and fills, may write of another time and of anybody.
    IF NOT has_table_privilege(TG_RELID, 'TRIGGER') THEN
        NEW.at := clock_timestamp();
        IF NEW.by_id::text <> coalesce(current_setting('portal.person', true), '') THEN
            RAISE EXCEPTION 'an event of person % is written for person %',
                NEW.by_id, coalesce(nullif(current_setting('portal.person', true), ''), 'nobody')
                USING ERRCODE = 'insufficient_privilege';
        END IF;
    END IF;"""
"""The time and the person of an event. Of tables that only grow (`append_only`), the owner alone has the privilege
TRIGGER; `is_owner_of` would be a query at each event."""

LEAF = """encode(sha256('\\x00'::bytea || convert_to(
        '{{"about":' || array_to_json({event}.about)::text
        || ',"at":"' || to_char({event}.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        || '","by":' || coalesce({event}.by_id::text, 'null')
        || ',"detail":' || canonical_json({event}.detail)
        || ',"id":' || {event}.id
        || ',"kind":' || to_json({event}.kind)::text
        || ',"previous":' || array_to_json({event}.previous)::text
        || ',"sentence":' || to_json({event}.sentence)::text
        || ',"whom":' || coalesce({event}.whom_id::text, 'null') || '}}', 'UTF8')), 'hex')"""
"""What an event is hashed to, as an expression over its row."""

LINES = """
CREATE FUNCTION is_owner_of(relation oid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT pg_has_role(current_user, relowner, 'MEMBER') FROM pg_catalog.pg_class WHERE oid = relation
$$;

CREATE OR REPLACE FUNCTION book_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {line}
    RETURN NEW;
END $$;

CREATE TRIGGER audit_event_1_line BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION book_line();
CREATE TRIGGER audit_securityevent_1_line BEFORE INSERT ON audit_securityevent
    FOR EACH ROW EXECUTE FUNCTION book_line();
""".replace("{line}", LINE)
UNLINES = """
DROP TRIGGER audit_event_1_line ON audit_event;
DROP TRIGGER audit_securityevent_1_line ON audit_securityevent;
DROP FUNCTION book_line();
DROP FUNCTION is_owner_of(oid);
"""

CHAIN = (
    """
-- As RFC 8785 writes JSON, but for numbers: those stand as jsonb writes them. What is neither an object nor an array
-- comes last and alone: PL/pgSQL then asks no query.
CREATE OR REPLACE FUNCTION canonical_json(value jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE kind text := jsonb_typeof(value);
BEGIN
    IF kind = 'object' THEN
        RETURN (
            SELECT '{' || coalesce(string_agg(to_json(key)::text || ':' || CASE
                WHEN jsonb_typeof(part) IN ('object', 'array') THEN canonical_json(part) ELSE part::text
            END, ',' ORDER BY key COLLATE "C"), '') || '}' FROM jsonb_each(value) AS parts (key, part));
    ELSIF kind = 'array' THEN
        RETURN (
            SELECT '[' || coalesce(string_agg(canonical_json(part), ',' ORDER BY place), '') || ']'
            FROM jsonb_array_elements(value) WITH ORDINALITY AS parts (part, place));
    END IF;
    RETURN value::text;
END $$;

CREATE OR REPLACE FUNCTION book_link() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {line}
    NEW.xact := pg_current_xact_id();
    WITH newest AS MATERIALIZED (
        SELECT leaf, previous FROM public.audit_event  -- a temporary table of the name would come first
        WHERE coalesce(about[1], '') = coalesce(NEW.about[1], '') ORDER BY id DESC LIMIT {most_open}
    )
    SELECT ARRAY(SELECT leaf FROM newest WHERE leaf <> ALL (ARRAY(SELECT unnest(previous) FROM newest)))
    INTO NEW.previous;
    NEW.leaf := {leaf};
    RETURN NEW;
END $$;
""".replace("{line}", LINE)
    .replace("{most_open}", str(MOST_OPEN))
    .replace("{leaf}", LEAF.format(event="NEW"))
)
"""How an event is linked and written for its hash. It is one trigger, with the hash inside: PostgreSQL makes each
function and each expression ready again in each transaction, and that took longer than to evaluate them."""

NEED = """
CREATE OR REPLACE FUNCTION need_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM public.audit_event
        WHERE xact = pg_current_xact_id() AND at >= now()
        AND TG_ARGV[0] || ':' || NEW.id = ANY (about)  -- `@>` would read the pending list of the index on `about`
    ) THEN
        RETURN NULL;
    ELSIF NOT is_owner_of(TG_RELID) THEN
        RAISE EXCEPTION 'no event of this transaction names %:%', TG_ARGV[0], NEW.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
"""
"""What asks at COMMIT whether a decision has its event."""

# The columns below are PostgreSQL's own: Django neither reads nor writes them.
BOOK = (
    """
ALTER TABLE audit_event
    ADD COLUMN xact xid8 NOT NULL DEFAULT '0',
    ADD COLUMN previous text[] NOT NULL DEFAULT '{}',
    ADD COLUMN leaf text;
CREATE INDEX audit_event_xact ON audit_event (xact);
CREATE INDEX audit_event_first ON audit_event (coalesce(about[1], ''), id DESC);
{chain}
CREATE FUNCTION event_leaf(event audit_event) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN {leaf};
END $$;

-- What was written before is linked as it stands, each event to the one before it about the same thing.
ALTER TABLE audit_event DISABLE TRIGGER audit_event_rows;
DO $$ DECLARE event audit_event; BEGIN
    FOR event IN SELECT * FROM audit_event ORDER BY id LOOP
        event.previous := ARRAY(
            SELECT leaf FROM audit_event WHERE coalesce(about[1], '') = coalesce(event.about[1], '') AND id < event.id
            ORDER BY id DESC LIMIT 1);
        UPDATE audit_event SET previous = event.previous, leaf = event_leaf(event) WHERE id = event.id;
    END LOOP;
END $$;
ALTER TABLE audit_event ENABLE TRIGGER audit_event_rows;
ALTER TABLE audit_event ALTER COLUMN leaf SET NOT NULL;
CREATE TRIGGER audit_event_2_link BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION book_link();

{need}""".replace("{chain}", CHAIN)
    .replace("{leaf}", LEAF.format(event="event"))
    .replace("{need}", NEED)
)
UNBOOK = """
DROP INDEX audit_event_first;
DROP FUNCTION need_event();
DROP TRIGGER audit_event_2_link ON audit_event;
DROP FUNCTION book_link();
DROP FUNCTION event_leaf(audit_event);
DROP FUNCTION canonical_json(jsonb);
ALTER TABLE audit_event DROP COLUMN xact, DROP COLUMN previous, DROP COLUMN leaf;
"""

# No query chooses by a hash, and ANALYZE would take as long again to count them.
ONE_TRIGGER = f"""
{CHAIN}
{NEED}
DROP TRIGGER audit_event_1_line ON audit_event;
ALTER TABLE audit_event ALTER COLUMN leaf SET STATISTICS 0, ALTER COLUMN previous SET STATISTICS 0;
"""
TWO_TRIGGERS = """
CREATE TRIGGER audit_event_1_line BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION book_line();
ALTER TABLE audit_event ALTER COLUMN leaf SET STATISTICS -1, ALTER COLUMN previous SET STATISTICS -1;
"""

DECIDED = """
CREATE CONSTRAINT TRIGGER {table}_made AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW {when_made} EXECUTE FUNCTION need_event('{label}');
"""
CHANGED = """
CREATE CONSTRAINT TRIGGER {table}_changed AFTER UPDATE ON {table} DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN ({when_changed}) EXECUTE FUNCTION need_event('{label}');
"""


def decided(label: str, *columns: str, made: str = "", changed: str = "true") -> RunSQL:
    """The migration operation after which a row made, or changed in these columns, is named by an event of the same
    transaction, or the COMMIT fails.

    `label` names the model as the book does; `made` and `changed` narrow it by conditions on NEW and OLD.
    """
    table = label.replace(".", "_")
    sql = DECIDED.format(table=table, label=label, when_made=f"WHEN ({made})" if made else "")
    back = f"DROP TRIGGER {table}_made ON {table};"
    if columns:
        differs = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in columns)
        sql += CHANGED.format(table=table, label=label, when_changed=f"({differs}) AND ({changed})")
        back += f"DROP TRIGGER {table}_changed ON {table};"
    return RunSQL(sql, back)
