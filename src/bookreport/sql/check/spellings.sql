-- The formats and languages of the books table, as spelled there.
select 'format' as kind, format as name from books where format is not null group by format
union all
select 'language', language from books where language is not null group by language
order by kind, name
