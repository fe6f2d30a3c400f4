-- The hours of a span with sums by ISBN, but none by format and language: they were loaded before there were any.
select hour from ledger l
where (status = 'loaded' or sums_kept) and rows_loaded > 0
    and hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
    and not exists (
        select from group_sums g
        where g.hour = l.hour and g.hour >= cast(:since as timestamptz) and g.hour < cast(:until as timestamptz)
    )
order by hour
