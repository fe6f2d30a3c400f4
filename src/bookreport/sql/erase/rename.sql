-- Gives a user another id in some hours: in purchases (also where their own `extra` repeats it), and in the rejects, reasons and
-- errors that mentions.sql finds. Returns what was changed, by hour.
with renamed as (
    update purchase_rows set user_id = :other, extra = coalesce((
        select jsonb_object_agg(key, case when btrim(value, :blanks) = :user then :other else value end)
        from jsonb_each_text(extra)
    ), extra)
    where user_id = :user and hour = any(cast(:hours as timestamptz[]))
    returning hour
), found as (
    select r.hour, r.key, r.line_number, case
        when cast(f.columns ->> 'width' as integer) <= 255
            and r.raw ~ replace(:whole, '{COMMAS}', '{' || cast(f.columns ->> 'width' as integer) - 1 || '}')
        then replace(:in_place, '{PLACE}', '{' || (f.columns #>> '{places,user_id}') || '}') else :anywhere end as pattern
    from rejects r left join ledger_files f on :is_number and f.hour = r.hour and f.key = r.key
    where r.hour = any(cast(:hours as timestamptz[]))
), in_rejects as (
    update rejects r set raw = regexp_replace(r.raw, f.pattern, :with_before, 'g'),
        reason = regexp_replace(r.reason, :quoted, :with_quotes, 'g')
    from found f
    where f.hour = r.hour and f.key = r.key and f.line_number = r.line_number and (r.raw ~ f.pattern or r.reason ~ :quoted)
    returning r.hour
), in_ledger as (
    update ledger set last_error = regexp_replace(last_error, :quoted, :with_quotes, 'g')
    where hour = any(cast(:hours as timestamptz[])) and last_error ~ :quoted
    returning hour
), in_loads as (
    update loads set error = regexp_replace(error, :quoted, :with_quotes, 'g')
    where hour = any(cast(:hours as timestamptz[])) and error ~ :quoted
    returning hour
)
select hour, sum(rows)::bigint as rows, sum(rejects)::bigint as rejects, sum(errors)::bigint as errors
from (
    select hour, count(*) as rows, 0 as rejects, 0 as errors from renamed group by hour
    union all
    select hour, 0, count(*), 0 from in_rejects group by hour
    union all
    select hour, 0, 0, count(*) from in_ledger group by hour
    union all
    select hour, 0, 0, count(*) from in_loads group by hour
) each
group by hour
