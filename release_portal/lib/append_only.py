"""Tables that only grow, and columns that never change: PostgreSQL itself refuses, no matter who asks."""

from collections.abc import Sequence

from django.db.migrations import RunSQL

FUNCTION = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table % only grows: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
"""

# Triggers hold for the owner of the table; every other role loses the privilege itself.
PROTECT = """
CREATE TRIGGER {table}_rows BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER {table}_whole BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
DO $$ DECLARE other text; BEGIN
    FOR other IN
        SELECT DISTINCT a.grantee::regrole::text FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.oid = '{table}'::regclass AND a.grantee NOT IN (0, c.relowner)
    LOOP EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE, TRIGGER ON {table} FROM %s', other); END LOOP;
END $$;
"""

# What may change is named; a column that is added later is kept too.
KEEP = """
CREATE TRIGGER {table}_kept_columns BEFORE UPDATE ON {table} FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)
    EXECUTE FUNCTION refuse_other_changes('{changing}', '{once}');
CREATE TRIGGER {table}_kept_rows BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER {table}_kept_whole BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
DO $$ DECLARE other text; BEGIN
    FOR other IN
        SELECT DISTINCT a.grantee::regrole::text FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.oid = '{table}'::regclass AND a.grantee NOT IN (0, c.relowner) AND a.privilege_type = 'UPDATE'
    LOOP
        EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE, TRIGGER ON {table} FROM %s', other);
        EXECUTE format('GRANT UPDATE ({columns}) ON {table} TO %s', other);
    END LOOP;
END $$;
"""

KEEP_FUNCTION = """
CREATE OR REPLACE FUNCTION refuse_other_changes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was jsonb := to_jsonb(OLD) - TG_ARGV[0]::text[];
    now jsonb := to_jsonb(NEW) - TG_ARGV[0]::text[];
    place text;
BEGIN
    FOREACH place IN ARRAY TG_ARGV[1]::text[] LOOP
        IF coalesce(was ->> place, '') IN ('', 'true', '[]') THEN now := now || jsonb_build_object(place, was -> place);
        END IF;
    END LOOP;
    IF was IS DISTINCT FROM now THEN
        RAISE EXCEPTION 'table % keeps what was decided: % is refused', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
"""

UNKEEP = """
DROP TRIGGER {table}_kept_columns ON {table};
DROP TRIGGER {table}_kept_rows ON {table};
DROP TRIGGER {table}_kept_whole ON {table};
"""

FREEZE = """
CREATE OR REPLACE FUNCTION refuse_new_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF ROW({new}) IS DISTINCT FROM ROW({old}) THEN
        RAISE EXCEPTION 'table {table} keeps {columns} as they were' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER {table}_frozen BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_new_{table}();
CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""

UNFREEZE = """
DROP TRIGGER {table}_frozen ON {table};
DROP TRIGGER {table}_kept ON {table};
DROP FUNCTION refuse_new_{table}();
"""

RELEASE = """
DROP TRIGGER {table}_rows ON {table};
DROP TRIGGER {table}_whole ON {table};
"""


def append_only(table: str) -> RunSQL:
    """The migration operation that makes `table` append-only."""
    return RunSQL(FUNCTION + PROTECT.format(table=table), RELEASE.format(table=table))


def kept(table: str, *, changing: tuple[str, ...] = (), once: tuple[str, ...] = ()) -> RunSQL:
    """The migration operation after which rows of `table` stay and keep their terms.

    The columns `changing` may change, those of `once` from nothing (NULL, an empty text or list, or true) to a value
    that stays; no other may. It takes the place of `frozen`.
    """
    return RunSQL(*_kept(table, changing, once))


def unkept(table: str, *, changing: tuple[str, ...] = (), once: tuple[str, ...] = ()) -> RunSQL:
    """The migration operation that takes `kept` back: before a column of it is renamed, since `kept` names columns."""
    keep, unkeep = _kept(table, changing, once)
    return RunSQL(unkeep, keep)


def unfrozen(table: str, *columns: str) -> RunSQL:
    """The migration operation that takes `frozen` back."""
    freeze, unfreeze = _frozen(table, columns)
    return RunSQL(unfreeze, freeze)


def frozen(table: str, *columns: str) -> RunSQL:
    """The migration operation after which rows of `table` stay, and these columns keep their first value."""
    return RunSQL(*_frozen(table, columns))


def _kept(table: str, changing: Sequence[str], once: Sequence[str]) -> tuple[str, str]:
    """The SQL that keeps all but these columns, and what takes it back."""
    names = {"table": table, "changing": f"{{{','.join(changing)}}}", "once": f"{{{','.join(once)}}}"}
    sql = KEEP.format(**names, columns=", ".join((*changing, *once)))
    return FUNCTION + KEEP_FUNCTION + sql, UNKEEP.format(**names)


def _frozen(table: str, columns: Sequence[str]) -> tuple[str, str]:
    """The SQL that freezes these columns, and what takes it back."""
    new, old = (", ".join(f"{row}.{column}" for column in columns) for row in ("NEW", "OLD"))
    names = {"table": table, "columns": ", ".join(columns), "new": new, "old": old}
    return FREEZE.format(**names), UNFREEZE.format(**names)
