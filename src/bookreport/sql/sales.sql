-- Books sold and sale value of a span by format and language; what no book matches is one row of its own.
with sold as (
    select isbn10, sum(books_sold) as books_sold, sum(sale_value) as sale_value
    from hour_sums
    where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
    group by isbn10
)
select c.isbn10 is not null as matched, c.format, c.language, sum(s.books_sold)::bigint as books_sold,
    sum(s.sale_value) as sale_value, count(distinct canonical_isbn(s.isbn10)) as isbns
from sold s left join catalogue c on c.isbn10 = canonical_isbn(s.isbn10)
group by matched, c.format, c.language
order by sale_value desc, c.format collate "C" nulls last, c.language collate "C" nulls last
