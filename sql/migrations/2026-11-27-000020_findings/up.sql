-- Findings as the service of supervisors reads them: newest first, of one rule or of whoever they are about.
DROP INDEX watch.findings_subject;
CREATE INDEX findings_subject ON watch.findings (subject, height, place);
CREATE INDEX findings_of_rule ON watch.findings (rule, height, place);
-- Supervisors add steps through the service. Nothing of what is there can be changed by it.
GRANT INSERT ON watch.trail TO concordat_service;
