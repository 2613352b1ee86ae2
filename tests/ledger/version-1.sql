BEGIN TRANSACTION;
CREATE TABLE ledger_approval (
	run TEXT NOT NULL, 
	ask INTEGER NOT NULL, 
	person TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	approval TEXT NOT NULL, 
	PRIMARY KEY (run, ask, person), 
	FOREIGN KEY(run, ask) REFERENCES ledger_plan (run, ask)
);
CREATE TABLE ledger_approver (
	person TEXT NOT NULL, 
	name TEXT NOT NULL, 
	enrolment VARCHAR(36) NOT NULL, 
	secret TEXT NOT NULL, 
	added_at VARCHAR(32) NOT NULL, 
	added_by TEXT NOT NULL, 
	wrong INTEGER NOT NULL, 
	wrong_at VARCHAR(32), 
	PRIMARY KEY (person), 
	UNIQUE (enrolment)
);
CREATE TABLE ledger_code (
	person TEXT NOT NULL, 
	step INTEGER NOT NULL, 
	run TEXT NOT NULL, 
	used_at VARCHAR(32) NOT NULL, 
	PRIMARY KEY (person, step)
);
CREATE TABLE ledger_bookmark (
	host TEXT NOT NULL, 
	channel TEXT NOT NULL, 
	record BIGINT NOT NULL, 
	written_at VARCHAR(32), 
	read_at VARCHAR(32) NOT NULL, 
	PRIMARY KEY (host, channel)
);
CREATE TABLE ledger_bracket (
	run TEXT NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	name TEXT NOT NULL, 
	item INTEGER NOT NULL, 
	close TEXT NOT NULL, 
	holder TEXT NOT NULL, 
	resources TEXT NOT NULL, 
	opened_at VARCHAR(32) NOT NULL, 
	closed_at VARCHAR(32), 
	closed TEXT, 
	closing TEXT, 
	PRIMARY KEY (run, digest, name), 
	FOREIGN KEY(run, digest, item) REFERENCES ledger_step (run, digest, item)
);
INSERT INTO "ledger_bracket" VALUES('run-1','84e5efb526850b658a6b6102fe856b07ee38072a6bdc2ea504ecf709fb275994','VM42 is off',1,'{"changes":[],"command":{"name":"Start-VM","parameters":{"Confirm":false,"ErrorAction":"Stop","Name":"VM42"}},"host":"HV07"}','run-1','["host:hv07"]','2026-03-01T12:00:00.000000+00:00',NULL,NULL,NULL);
CREATE TABLE ledger_breaker (
	remediation TEXT NOT NULL, 
	opened_at VARCHAR(32) NOT NULL, 
	why TEXT NOT NULL, 
	closed_by TEXT, 
	closed_at VARCHAR(32), 
	PRIMARY KEY (remediation, opened_at)
);
CREATE TABLE ledger_pause (
	number INTEGER NOT NULL, 
	"by" TEXT NOT NULL, 
	why TEXT NOT NULL, 
	at VARCHAR(32) NOT NULL, 
	lifted_by TEXT, 
	lifted_at VARCHAR(32), 
	PRIMARY KEY (number)
);
CREATE TABLE ledger_trial (
	run TEXT NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	remediation TEXT NOT NULL, 
	at VARCHAR(32) NOT NULL, 
	verified INTEGER NOT NULL, 
	detail TEXT NOT NULL, 
	causes TEXT NOT NULL, 
	targets TEXT NOT NULL, 
	spoilt TEXT, 
	PRIMARY KEY (run, digest, remediation), 
	FOREIGN KEY(run) REFERENCES ledger_run (run)
);
CREATE INDEX ix_ledger_trial_remediation ON ledger_trial (remediation);
CREATE TABLE ledger_decision (
	run TEXT NOT NULL, 
	ask INTEGER NOT NULL, 
	decision TEXT NOT NULL, 
	used_at VARCHAR(32), 
	PRIMARY KEY (run, ask), 
	FOREIGN KEY(run, ask) REFERENCES ledger_plan (run, ask)
);
INSERT INTO "ledger_decision" VALUES('run-1',2,'{"approver":"bert","ask":2,"comment":"","decided_at":"2026-03-01T12:00:00Z","decision":"approve","digest":"84e5efb526850b658a6b6102fe856b07ee38072a6bdc2ea504ecf709fb275994","proof":"name","run":"run-1"}','2026-03-01T12:00:00.000000+00:00');
CREATE TABLE ledger_incident (
	id VARCHAR(20) NOT NULL, 
	"key" VARCHAR(64) NOT NULL, 
	incident TEXT NOT NULL, 
	reports INTEGER NOT NULL, 
	run TEXT, 
	opened_at VARCHAR(32) NOT NULL, 
	closed_at VARCHAR(32), 
	outcome TEXT, 
	PRIMARY KEY (id)
);
INSERT INTO "ledger_incident" VALUES('INC-XTBEW0','0f6059fe15fd5aba720c9966d08f3c67','{"channel":null,"cluster":"CLUSTER1","destination":"HV07","event_id":null,"message":"Fehler 0x8009030E – „Zugriff verweigert“","occurred_at":null,"provider":null,"reported_by":"a person","source":"HV03","vm":"VM42","what":"migration"}',1,'run-1','2026-03-01T12:00:00.000000+00:00',NULL,NULL);
CREATE TABLE ledger_lease (
	resource TEXT NOT NULL, 
	token INTEGER NOT NULL, 
	holder TEXT, 
	instance VARCHAR(32), 
	until VARCHAR(32) NOT NULL, 
	longest FLOAT NOT NULL, 
	PRIMARY KEY (resource)
);
INSERT INTO "ledger_lease" VALUES('host:hv07',1,'run-1','3557f26de9344928ae19bac34bf9fb20','2026-03-01T12:10:00.000000+00:00',60.0);
CREATE TABLE ledger_meta (
	id VARCHAR(36) NOT NULL, 
	version INTEGER NOT NULL, 
	created_at VARCHAR(32) NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "ledger_meta" VALUES('cfc79c67-ff05-47c8-bec7-67e9d01860fb',1,'2026-03-01T12:00:00.000000+00:00');
CREATE TABLE ledger_note (
	seq INTEGER NOT NULL, 
	at VARCHAR(32) NOT NULL, 
	run TEXT, 
	kind TEXT NOT NULL, 
	data TEXT NOT NULL, 
	previous VARCHAR(64) NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (hash)
);
INSERT INTO "ledger_note" VALUES(1,'2026-03-01T12:00:00.000000+00:00','run-1','incident opened','{"as":{"channel":null,"cluster":"CLUSTER1","destination":"HV07","event_id":null,"message":"Fehler 0x8009030E – „Zugriff verweigert“","occurred_at":null,"provider":null,"reported_by":"a person","source":"HV03","vm":"VM42","what":"migration"},"incident":"INC-XTBEW0"}','0000000000000000000000000000000000000000000000000000000000000000','d8dccfdc2c43838a0829741ba9016cbc39b639670108be38d1d96dd3be7b082f');
INSERT INTO "ledger_note" VALUES(2,'2026-03-01T12:00:00.000000+00:00','run-1','run started','{"incident_id":"INC-XTBEW0","kind":"remediate-migration","requested_by":"anna"}','d8dccfdc2c43838a0829741ba9016cbc39b639670108be38d1d96dd3be7b082f','c320d4b5b958e5909109352e55eb4e31443c21b1678b80e51d72e4fa472eb938');
INSERT INTO "ledger_note" VALUES(3,'2026-03-01T12:00:00.000000+00:00',NULL,'cause seen','{"cause":"cpu_incompatible","incident_id":"INC-XTBEW0","subject":"vm42"}','c320d4b5b958e5909109352e55eb4e31443c21b1678b80e51d72e4fa472eb938','549ccd11c79d21dfb965cf79863190875fa98f5fb70800266d60b40fb2a9544b');
INSERT INTO "ledger_note" VALUES(4,'2026-03-01T12:00:00.000000+00:00','run-1','plan sealed','{"ask":1,"digest":"95783a69943c7d632e4b113a67797f2aa51bc91eff5fbd23e6d091005d34f5f5","part":"repair","round":1,"steps":["HV07: Set-VMHost -MaximumVirtualMachineMigrations 6 -ErrorAction Stop -Confirm:$false"],"title":"Raise the migration limit: HV07","until":"2026-03-01T20:00:00.000000+00:00"}','549ccd11c79d21dfb965cf79863190875fa98f5fb70800266d60b40fb2a9544b','4476c95caf0b2ab3b9f7f3d6e13c7cafef97966498803f9958ca8666f6500ac2');
INSERT INTO "ledger_note" VALUES(5,'2026-03-01T12:00:00.000000+00:00','run-1','plan void','{"ask":1,"detail":"the facts moved: the plan is now 84e5efb5","digest":"95783a69943c7d632e4b113a67797f2aa51bc91eff5fbd23e6d091005d34f5f5","reason":"Drift"}','4476c95caf0b2ab3b9f7f3d6e13c7cafef97966498803f9958ca8666f6500ac2','186fb96a5963087fc43317bbf710a516037137f794cf227c7a5435955082bd73');
INSERT INTO "ledger_note" VALUES(6,'2026-03-01T12:00:00.000000+00:00','run-1','plan sealed','{"ask":2,"digest":"84e5efb526850b658a6b6102fe856b07ee38072a6bdc2ea504ecf709fb275994","part":"repair","round":1,"steps":["HV07: Stop-VM -Name VM42 -ErrorAction Stop -Confirm:$false","HV07: Set-VMHost -MaximumVirtualMachineMigrations 4 -ErrorAction Stop -Confirm:$false","HV07: Start-VM -Name VM42 -ErrorAction Stop -Confirm:$false"],"title":"Raise the migration limit: HV07","until":"2026-03-01T20:00:00.000000+00:00"}','186fb96a5963087fc43317bbf710a516037137f794cf227c7a5435955082bd73','ae0deaf65e4acd9a5fa7b23b050cb3cef044b2c650a5ac132060cd84bef251de');
INSERT INTO "ledger_note" VALUES(7,'2026-03-01T12:00:00.000000+00:00','run-1','decided','{"approver":"bert","ask":2,"comment":"","decision":"approve","digest":"84e5efb526850b658a6b6102fe856b07ee38072a6bdc2ea504ecf709fb275994","proof":"name"}','ae0deaf65e4acd9a5fa7b23b050cb3cef044b2c650a5ac132060cd84bef251de','81bb947e51e378a38b5292c59bbb9fb7d606ac50229fc3c5a10dbfbc47f1a701');
INSERT INTO "ledger_note" VALUES(8,'2026-03-01T12:00:00.000000+00:00','run-1','approval used','{"approver":"bert","ask":2,"digest":"84e5efb526850b658a6b6102fe856b07ee38072a6bdc2ea504ecf709fb275994"}','81bb947e51e378a38b5292c59bbb9fb7d606ac50229fc3c5a10dbfbc47f1a701','458dfb527fb8aad97008ce76bfca4fa83b51dde8dfe3d3dfe3fcd66886003df2');
INSERT INTO "ledger_note" VALUES(9,'2026-03-01T12:00:00.000000+00:00',NULL,'lease taken','{"holder":"run-1","tokens":{"host:hv07":1},"until":"2026-03-01T12:10:00.000000+00:00"}','458dfb527fb8aad97008ce76bfca4fa83b51dde8dfe3d3dfe3fcd66886003df2','e291d26497ab145d58c0715fe509657c3c8679a9a1ca2968a5135074e267fb70');
INSERT INTO "ledger_note" VALUES(10,'2026-03-01T12:00:00.000000+00:00','run-1','step intended','{"attempt":1,"command":"Stop-VM -Name VM42 -ErrorAction Stop -Confirm:$false","command_id":"e801bad3-68ee-48fc-b76e-a6c15217f5f2","digest":"84e5efb526850b658a6b6102fe856b07ee38072a6bdc2ea504ecf709fb275994","host":"HV07","index":1,"tokens":{"host:hv07":1}}','e291d26497ab145d58c0715fe509657c3c8679a9a1ca2968a5135074e267fb70','0913d565670cfab77675b417b7a77326d62ef09d9330487bf3fedbc72469f8a5');
INSERT INTO "ledger_note" VALUES(11,'2026-03-01T12:00:00.000000+00:00','run-1','bracket opened','{"bracket":"VM42 is off","closes":"Start-VM -Name VM42 -ErrorAction Stop -Confirm:$false","digest":"84e5efb526850b658a6b6102fe856b07ee38072a6bdc2ea504ecf709fb275994","host":"HV07"}','0913d565670cfab77675b417b7a77326d62ef09d9330487bf3fedbc72469f8a5','7c17c0ab86a8baf03fb9ccb797407e50f2fc615d41bf31276c645bc5c81f99db');
INSERT INTO "ledger_note" VALUES(12,'2026-03-01T12:00:00.000000+00:00','run-1','step result','{"detail":"","digest":"84e5efb526850b658a6b6102fe856b07ee38072a6bdc2ea504ecf709fb275994","how":"answered","index":1,"ok":true}','7c17c0ab86a8baf03fb9ccb797407e50f2fc615d41bf31276c645bc5c81f99db','d343020ea1503de7749b7913bad4d903b34152ee4c6c44354802b716cfb4ab46');
INSERT INTO "ledger_note" VALUES(13,'2026-03-01T12:00:00.000000+00:00','run-1','step intended','{"attempt":1,"command":"Set-VMHost -MaximumVirtualMachineMigrations 4 -ErrorAction Stop -Confirm:$false","command_id":"7bcbada8-9e9e-47cf-9a02-ed34cc7bd372","digest":"84e5efb526850b658a6b6102fe856b07ee38072a6bdc2ea504ecf709fb275994","host":"HV07","index":2,"tokens":{"host:hv07":1}}','d343020ea1503de7749b7913bad4d903b34152ee4c6c44354802b716cfb4ab46','6bcb96f374a8f4a77e8698787ce334e81fc82b8b1c930f4c2238055f00f0f5c7');
CREATE TABLE ledger_plan (
	run TEXT NOT NULL, 
	ask INTEGER NOT NULL, 
	round INTEGER NOT NULL, 
	part VARCHAR(10) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	"plan" TEXT NOT NULL, 
	causes TEXT, 
	sealed_at VARCHAR(32) NOT NULL, 
	expires_at VARCHAR(32) NOT NULL, 
	void TEXT, 
	PRIMARY KEY (run, ask), 
	FOREIGN KEY(run) REFERENCES ledger_run (run)
);
INSERT INTO "ledger_plan" VALUES('run-1',1,1,'repair','95783a69943c7d632e4b113a67797f2aa51bc91eff5fbd23e6d091005d34f5f5','{"items":[{"item":"satisfied","why":"storage migrations are as expected"},{"changes":[{"after":6,"before":2,"fact":"HostLimits:hv07","field":"migrations","members":false}],"close":null,"closes":"","command":{"name":"Set-VMHost","parameters":{"Confirm":false,"ErrorAction":"Stop","MaximumVirtualMachineMigrations":6}},"deadline":60.0,"guards":[],"host":"HV07","item":"step","opens":"","settles":0.0,"target":{"id":"id-of-HV07","kind":"host","name":"HV07"},"undo":{"name":"Set-VMHost","parameters":{"Confirm":false,"ErrorAction":"Stop","MaximumVirtualMachineMigrations":2}},"why":"the limit is below what the site expects"}],"proof":"episode","remediation":"set-migration-limits","request":{"host":"HV07"},"reversal":"exact","tier":1,"title":"Raise the migration limit: HV07"}','["migration_limit_reached"]','2026-03-01T12:00:00.000000+00:00','2026-03-01T20:00:00.000000+00:00','{"at":"2026-03-01T12:00:00Z","detail":"the facts moved: the plan is now 84e5efb5","reason":"Drift"}');
INSERT INTO "ledger_plan" VALUES('run-1',2,1,'repair','84e5efb526850b658a6b6102fe856b07ee38072a6bdc2ea504ecf709fb275994','{"items":[{"item":"satisfied","why":"storage migrations are as expected"},{"changes":[{"after":4,"before":2,"fact":"HostLimits:hv07","field":"migrations","members":false}],"close":{"changes":[],"command":{"name":"Start-VM","parameters":{"Confirm":false,"ErrorAction":"Stop","Name":"VM42"}},"host":"HV07"},"closes":"","command":{"name":"Stop-VM","parameters":{"Confirm":false,"ErrorAction":"Stop","Name":"VM42"}},"deadline":60.0,"guards":[],"host":"HV07","item":"step","opens":"VM42 is off","settles":0.0,"target":{"id":"id-of-HV07","kind":"host","name":"HV07"},"undo":null,"why":"the limit is below what the site expects"},{"changes":[{"after":4,"before":2,"fact":"HostLimits:hv07","field":"migrations","members":false}],"close":null,"closes":"","command":{"name":"Set-VMHost","parameters":{"Confirm":false,"ErrorAction":"Stop","MaximumVirtualMachineMigrations":4}},"deadline":60.0,"guards":[],"host":"HV07","item":"step","opens":"","settles":0.0,"target":{"id":"id-of-HV07","kind":"host","name":"HV07"},"undo":{"name":"Set-VMHost","parameters":{"Confirm":false,"ErrorAction":"Stop","MaximumVirtualMachineMigrations":2}},"why":"the limit is below what the site expects"},{"changes":[{"after":4,"before":2,"fact":"HostLimits:hv07","field":"migrations","members":false}],"close":null,"closes":"VM42 is off","command":{"name":"Start-VM","parameters":{"Confirm":false,"ErrorAction":"Stop","Name":"VM42"}},"deadline":60.0,"guards":[],"host":"HV07","item":"step","opens":"","settles":0.0,"target":{"id":"id-of-HV07","kind":"host","name":"HV07"},"undo":null,"why":"the limit is below what the site expects"}],"proof":"episode","remediation":"set-migration-limits","request":{"host":"HV07"},"reversal":"exact","tier":1,"title":"Raise the migration limit: HV07"}',NULL,'2026-03-01T12:00:00.000000+00:00','2026-03-01T20:00:00.000000+00:00',NULL);
CREATE TABLE ledger_queue (
	incident_id VARCHAR(20) NOT NULL, 
	standing VARCHAR(10) NOT NULL, 
	leader VARCHAR(20), 
	flow_run TEXT, 
	lost INTEGER NOT NULL, 
	ended TEXT, 
	since VARCHAR(32) NOT NULL, 
	PRIMARY KEY (incident_id), 
	FOREIGN KEY(incident_id) REFERENCES ledger_incident (id)
);
CREATE TABLE ledger_readiness (
	number INTEGER NOT NULL, 
	scope VARCHAR(32) NOT NULL, 
	at VARCHAR(32) NOT NULL, 
	counts TEXT NOT NULL, 
	report TEXT NOT NULL, 
	PRIMARY KEY (number)
);
CREATE TABLE ledger_run (
	run TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	incident_id VARCHAR(20), 
	requested_by TEXT NOT NULL, 
	started_at VARCHAR(32) NOT NULL, 
	finished_at VARCHAR(32), 
	outcome TEXT, 
	PRIMARY KEY (run), 
	FOREIGN KEY(incident_id) REFERENCES ledger_incident (id)
);
INSERT INTO "ledger_run" VALUES('run-1','remediate-migration','INC-XTBEW0','anna','2026-03-01T12:00:00.000000+00:00',NULL,NULL);
CREATE TABLE ledger_sighting (
	cause VARCHAR(64) NOT NULL, 
	subject TEXT NOT NULL, 
	incident_id VARCHAR(20) NOT NULL, 
	seen_at VARCHAR(32) NOT NULL, 
	PRIMARY KEY (cause, subject, incident_id)
);
INSERT INTO "ledger_sighting" VALUES('cpu_incompatible','vm42','INC-XTBEW0','2026-03-01T12:00:00.000000+00:00');
CREATE TABLE ledger_step (
	run TEXT NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	item INTEGER NOT NULL, 
	step TEXT NOT NULL, 
	causes TEXT, 
	part VARCHAR(10) NOT NULL, 
	host TEXT NOT NULL, 
	target_id TEXT NOT NULL, 
	attempt INTEGER NOT NULL, 
	command_id VARCHAR(36) NOT NULL, 
	holder TEXT NOT NULL, 
	resources TEXT NOT NULL, 
	intended_at VARCHAR(32) NOT NULL, 
	deadline FLOAT NOT NULL, 
	decided_at VARCHAR(32), 
	result TEXT, 
	undone TEXT, 
	undoing TEXT, 
	PRIMARY KEY (run, digest, item), 
	FOREIGN KEY(run) REFERENCES ledger_run (run)
);
INSERT INTO "ledger_step" VALUES('run-1','84e5efb526850b658a6b6102fe856b07ee38072a6bdc2ea504ecf709fb275994',1,'{"changes":[{"after":4,"before":2,"fact":"HostLimits:hv07","field":"migrations","members":false}],"close":{"changes":[],"command":{"name":"Start-VM","parameters":{"Confirm":false,"ErrorAction":"Stop","Name":"VM42"}},"host":"HV07"},"closes":"","command":{"name":"Stop-VM","parameters":{"Confirm":false,"ErrorAction":"Stop","Name":"VM42"}},"deadline":60.0,"guards":[],"host":"HV07","item":"step","opens":"VM42 is off","settles":0.0,"target":{"id":"id-of-HV07","kind":"host","name":"HV07"},"undo":null,"why":"the limit is below what the site expects"}',NULL,'repair','hv07','id-of-hv07',1,'e801bad3-68ee-48fc-b76e-a6c15217f5f2','run-1','["host:hv07"]','2026-03-01T12:00:00.000000+00:00',60.0,'2026-03-01T12:00:00.000000+00:00','{"at":"2026-03-01T12:00:00Z","detail":"","how":"answered","ok":true}',NULL,NULL);
INSERT INTO "ledger_step" VALUES('run-1','84e5efb526850b658a6b6102fe856b07ee38072a6bdc2ea504ecf709fb275994',2,'{"changes":[{"after":4,"before":2,"fact":"HostLimits:hv07","field":"migrations","members":false}],"close":null,"closes":"","command":{"name":"Set-VMHost","parameters":{"Confirm":false,"ErrorAction":"Stop","MaximumVirtualMachineMigrations":4}},"deadline":60.0,"guards":[],"host":"HV07","item":"step","opens":"","settles":0.0,"target":{"id":"id-of-HV07","kind":"host","name":"HV07"},"undo":{"name":"Set-VMHost","parameters":{"Confirm":false,"ErrorAction":"Stop","MaximumVirtualMachineMigrations":2}},"why":"the limit is below what the site expects"}',NULL,'repair','hv07','id-of-hv07',1,'7bcbada8-9e9e-47cf-9a02-ed34cc7bd372','run-1','["host:hv07"]','2026-03-01T12:00:00.000000+00:00',60.0,NULL,NULL,NULL,NULL);
CREATE TABLE ledger_roll (
	id VARCHAR(20) NOT NULL, 
	cluster TEXT NOT NULL, 
	failback VARCHAR(20) NOT NULL, 
	run TEXT NOT NULL, 
	opened_at VARCHAR(32) NOT NULL, 
	opened_by TEXT NOT NULL, 
	ended_at VARCHAR(32), 
	ended TEXT, 
	PRIMARY KEY (id), 
	FOREIGN KEY(run) REFERENCES ledger_run (run)
);
CREATE TABLE ledger_turn (
	roll VARCHAR(20) NOT NULL, 
	number INTEGER NOT NULL, 
	node TEXT NOT NULL, 
	stage VARCHAR(10) NOT NULL, 
	since VARCHAR(32) NOT NULL, 
	PRIMARY KEY (roll, number), 
	FOREIGN KEY(roll) REFERENCES ledger_roll (id)
);
CREATE TABLE ledger_drain (
	run TEXT NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	cluster TEXT NOT NULL, 
	node TEXT NOT NULL, 
	mebibytes INTEGER NOT NULL, 
	seconds FLOAT NOT NULL, 
	at VARCHAR(32) NOT NULL, 
	PRIMARY KEY (run, digest), 
	FOREIGN KEY(run) REFERENCES ledger_run (run)
);
CREATE UNIQUE INDEX ledger_incident_one_open ON ledger_incident ("key") WHERE closed_at IS NULL;
CREATE INDEX ix_ledger_note_run ON ledger_note (run);
CREATE TRIGGER ledger_note_no_update BEFORE update ON ledger_note BEGIN SELECT RAISE(ABORT, 'the audit trail only grows'); END;
CREATE TRIGGER ledger_note_no_delete BEFORE delete ON ledger_note BEGIN SELECT RAISE(ABORT, 'the audit trail only grows'); END;
CREATE INDEX ix_ledger_plan_digest ON ledger_plan (digest);
CREATE INDEX ix_ledger_step_target_id ON ledger_step (target_id);
CREATE INDEX ix_ledger_step_host ON ledger_step (host);
CREATE INDEX ix_ledger_step_intended_at ON ledger_step (intended_at);
CREATE INDEX ledger_step_undecided ON ledger_step (holder) WHERE decided_at IS NULL;
CREATE INDEX ix_ledger_readiness_scope ON ledger_readiness (scope);
CREATE INDEX ix_ledger_roll_run ON ledger_roll (run);
CREATE UNIQUE INDEX ledger_roll_one_open ON ledger_roll (cluster) WHERE ended_at IS NULL;
CREATE INDEX ix_ledger_drain_cluster ON ledger_drain (cluster);
COMMIT;
