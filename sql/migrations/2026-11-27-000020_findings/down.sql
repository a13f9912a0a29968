REVOKE INSERT ON watch.trail FROM concordat_service;
DROP INDEX watch.findings_of_rule;
DROP INDEX watch.findings_subject;
CREATE INDEX findings_subject ON watch.findings (subject, height);
