-- For each hour, the rejects that hold a user's id as a whole field or quote it in their reason, and the errors that quote it.
-- A number may be a quantity as well: in a record with as many fields as its header, only the user's own field is looked at.
select hour, sum(rejects)::bigint as rejects, sum(errors)::bigint as errors
from (
    select r.hour, count(*) as rejects, 0 as errors
    from rejects r left join ledger_files f on :is_number and f.hour = r.hour and f.key = r.key
    where r.reason ~ :quoted or r.raw ~ case
        when cast(f.columns ->> 'width' as integer) <= 255
            and r.raw ~ replace(:whole, '{COMMAS}', '{' || cast(f.columns ->> 'width' as integer) - 1 || '}')
        then replace(:in_place, '{PLACE}', '{' || (f.columns #>> '{places,user_id}') || '}') else :anywhere end
    group by r.hour
    union all
    select hour, 0, count(*) from ledger where last_error ~ :quoted group by hour
    union all
    select hour, 0, count(*) from loads where error ~ :quoted group by hour
) each
group by hour
