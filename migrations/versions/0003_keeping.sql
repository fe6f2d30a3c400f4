-- Hours that are kept for ever although nothing of theirs is loaded: skipped with a reason, or pruned.
alter table ledger drop constraint ledger_status_check;
alter table ledger add constraint ledger_status_check check (status in ('loaded', 'failed', 'skipped', 'pruned'));
alter table ledger add column reason text;
alter table ledger add column sums_kept boolean not null default false;
comment on column ledger.reason is 'Why the hour was skipped.';
comment on column ledger.sums_kept is 'Whether hour_sums still holds the sums of a pruned hour.';

-- The raw text of a reject may name a person; prune takes it away and leaves the rest.
alter table rejects alter column raw drop not null;
