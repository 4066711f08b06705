"""Tables that only grow: PostgreSQL itself refuses UPDATE, DELETE and TRUNCATE, whoever asks."""

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

RELEASE = """
DROP TRIGGER {table}_rows ON {table};
DROP TRIGGER {table}_whole ON {table};
"""


def append_only(table: str) -> RunSQL:
    """The migration operation that makes `table` append-only."""
    return RunSQL(FUNCTION + PROTECT.format(table=table), RELEASE.format(table=table))
