"""The ledger's tables."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    event,
)

from remediations.ledger.columns import Json, Utc

metadata = MetaData()

meta = Table(
    "ledger_meta",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("created_at", Utc, nullable=False),
)

incident = Table(
    "ledger_incident",
    metadata,
    Column("id", String(20), primary_key=True),
    Column("key", String(64), nullable=False),
    Column("incident", Json, nullable=False),
    Column("reports", Integer, nullable=False),
    Column("run", Text),
    Column("opened_at", Utc, nullable=False),
    Column("closed_at", Utc),
    Column("outcome", Json),
)
_open = incident.c.closed_at.is_(None)
Index("ledger_incident_one_open", incident.c.key, unique=True, sqlite_where=_open, postgresql_where=_open)

queue = Table(
    "ledger_queue",
    metadata,
    Column("incident_id", ForeignKey(incident.c.id), primary_key=True),
    Column("standing", String(10), nullable=False),
    Column("leader", String(20)),
    Column("flow_run", Text),
    Column("lost", Integer, nullable=False, default=0),
    Column("ended", Json),
    Column("since", Utc, nullable=False),
)

bookmark = Table(
    "ledger_bookmark",
    metadata,
    Column("host", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("record", BigInteger, nullable=False),
    Column("written_at", Utc),
    Column("read_at", Utc, nullable=False),
)

run = Table(
    "ledger_run",
    metadata,
    Column("run", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("incident_id", ForeignKey(incident.c.id)),
    Column("requested_by", Text, nullable=False),
    Column("started_at", Utc, nullable=False),
    Column("finished_at", Utc),
    Column("outcome", Json),
)

plan = Table(
    "ledger_plan",
    metadata,
    Column("run", ForeignKey(run.c.run), primary_key=True),
    Column("ask", Integer, primary_key=True, autoincrement=False),
    Column("round", Integer, nullable=False),
    Column("part", String(10), nullable=False),
    Column("digest", String(64), nullable=False, index=True),
    Column("plan", Json, nullable=False),
    Column("causes", Json),
    Column("sealed_at", Utc, nullable=False),
    Column("expires_at", Utc, nullable=False),
    Column("void", Json),
)

decision = Table(
    "ledger_decision",
    metadata,
    Column("run", Text, primary_key=True),
    Column("ask", Integer, primary_key=True, autoincrement=False),
    Column("decision", Json, nullable=False),
    Column("used_at", Utc),
    ForeignKeyConstraint(["run", "ask"], [plan.c.run, plan.c.ask]),
)

approval = Table(
    "ledger_approval",
    metadata,
    Column("run", Text, primary_key=True),
    Column("ask", Integer, primary_key=True, autoincrement=False),
    Column("person", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("approval", Json, nullable=False),
    ForeignKeyConstraint(["run", "ask"], [plan.c.run, plan.c.ask]),
)

approver = Table(
    "ledger_approver",
    metadata,
    Column("person", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("enrolment", String(36), nullable=False, unique=True),
    Column("secret", Text, nullable=False),
    Column("added_at", Utc, nullable=False),
    Column("added_by", Text, nullable=False),
    Column("wrong", Integer, nullable=False),
    Column("wrong_at", Utc),
)

code = Table(
    "ledger_code",
    metadata,
    Column("person", Text, primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("run", Text, nullable=False),
    Column("used_at", Utc, nullable=False),
)

lease = Table(
    "ledger_lease",
    metadata,
    Column("resource", Text, primary_key=True),
    Column("token", Integer, nullable=False),
    Column("holder", Text),
    Column("instance", String(32)),
    Column("until", Utc, nullable=False),
    Column("longest", Float, nullable=False),
)

step = Table(
    "ledger_step",
    metadata,
    Column("run", ForeignKey(run.c.run), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("item", Integer, primary_key=True, autoincrement=False),
    Column("step", Json, nullable=False),
    Column("causes", Json),
    Column("part", String(10), nullable=False),
    Column("host", Text, nullable=False, index=True),
    Column("target_id", Text, nullable=False, index=True),
    Column("attempt", Integer, nullable=False),
    Column("command_id", String(36), nullable=False),
    Column("holder", Text, nullable=False),
    Column("resources", Json, nullable=False),
    Column("intended_at", Utc, nullable=False, index=True),
    Column("deadline", Float, nullable=False),
    Column("decided_at", Utc),
    Column("result", Json),
    Column("undone", Json),
    Column("undoing", Json),
)
_undecided = step.c.decided_at.is_(None)
Index("ledger_step_undecided", step.c.holder, sqlite_where=_undecided, postgresql_where=_undecided)

bracket = Table(
    "ledger_bracket",
    metadata,
    Column("run", Text, primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("item", Integer, nullable=False),
    Column("close", Json, nullable=False),
    Column("holder", Text, nullable=False),
    Column("resources", Json, nullable=False),
    Column("opened_at", Utc, nullable=False),
    Column("closed_at", Utc),
    Column("closed", Json),
    Column("closing", Json),
    ForeignKeyConstraint(["run", "digest", "item"], [step.c.run, step.c.digest, step.c.item]),
)

sighting = Table(
    "ledger_sighting",
    metadata,
    Column("cause", String(64), primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("incident_id", String(20), primary_key=True),
    Column("seen_at", Utc, nullable=False),
)

pause = Table(
    "ledger_pause",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("by", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("at", Utc, nullable=False),
    Column("lifted_by", Text),
    Column("lifted_at", Utc),
)

trial = Table(
    "ledger_trial",
    metadata,
    Column("run", ForeignKey(run.c.run), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("remediation", Text, primary_key=True, index=True),
    Column("at", Utc, nullable=False),
    Column("verified", Integer, nullable=False),
    Column("detail", Text, nullable=False),
    Column("causes", Json, nullable=False),
    Column("targets", Json, nullable=False),
    Column("spoilt", Json),
)

breaker = Table(
    "ledger_breaker",
    metadata,
    Column("remediation", Text, primary_key=True),
    Column("opened_at", Utc, primary_key=True),
    Column("why", Text, nullable=False),
    Column("closed_by", Text),
    Column("closed_at", Utc),
)

roll = Table(
    "ledger_roll",
    metadata,
    Column("id", String(20), primary_key=True),
    Column("cluster", Text, nullable=False),
    Column("failback", String(20), nullable=False),
    Column("run", ForeignKey(run.c.run), nullable=False, index=True),
    Column("opened_at", Utc, nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("ended_at", Utc),
    Column("ended", Text),
)
_under_way = roll.c.ended_at.is_(None)
Index("ledger_roll_one_open", roll.c.cluster, unique=True, sqlite_where=_under_way, postgresql_where=_under_way)

turn = Table(
    "ledger_turn",
    metadata,
    Column("roll", ForeignKey(roll.c.id), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("node", Text, nullable=False),
    Column("stage", String(10), nullable=False),
    Column("since", Utc, nullable=False),
)

drain = Table(
    "ledger_drain",
    metadata,
    Column("run", ForeignKey(run.c.run), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("cluster", Text, nullable=False, index=True),
    Column("node", Text, nullable=False),
    Column("mebibytes", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("at", Utc, nullable=False),
)

readiness = Table(
    "ledger_readiness",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("scope", String(32), nullable=False, index=True),
    Column("at", Utc, nullable=False),
    Column("counts", Json, nullable=False),
    Column("report", Text, nullable=False),
)

note = Table(
    "ledger_note",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Utc, nullable=False),
    Column("run", Text, index=True),
    Column("kind", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
)


@event.listens_for(note, "after_create")
def _only_grows(_table: Table, conn: Connection, **_: Any) -> None:
    """Whoever may write to the database can take this away; it stops mistakes, the hash chain tells of the rest."""
    for statement in _ONLY_GROWS[conn.dialect.name]:
        conn.exec_driver_sql(statement)


_WHY = "'the audit trail only grows'"
_ONLY_GROWS = {
    "sqlite": tuple(
        f"CREATE TRIGGER ledger_note_no_{what} BEFORE {what} ON ledger_note BEGIN SELECT RAISE(ABORT, {_WHY}); END"
        for what in ("update", "delete")
    ),
    "postgresql": (
        f"CREATE FUNCTION ledger_note_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION {_WHY}; END $$",
        "CREATE TRIGGER ledger_note_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_note "
        "FOR EACH STATEMENT EXECUTE FUNCTION ledger_note_only_grows()",
    ),
}
