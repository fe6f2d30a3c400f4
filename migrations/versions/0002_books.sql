-- The catalogue: the user's books table, read through one function, and joined by canonical ISBN.
-- It can be run again: `bookreport migrate` brings back by it what somebody dropped.

-- The form in which two ISBNs are compared: blanks and hyphens out, x to X, left-padded with 0 to ten, a 13-digit one that
-- starts with 978 turned into its ISBN-10 with a new check digit. What is no ISBN comes out as it is, so it matches nothing.
create or replace function canonical_isbn(isbn text) returns text language plpgsql immutable strict parallel safe as $$
declare
    code text := translate(isbn, E'x- \t\r\n\u00a0\u2010\u2011\u2012\u2013\u2014\u2212', 'X');
    total integer := 0;
begin
    if code ~ '^978[0-9]{10}$' then
        for place in 1..9 loop
            total := total + place * substr(code, place + 3, 1)::integer;
        end loop;
        return substr(code, 4, 9) || case total % 11 when 10 then 'X' else (total % 11)::text end;
    end if;
    if code <> '' and length(code) < 10 then
        return lpad(code, 10, '0');
    end if;
    return code;
end $$;

-- `bookreport migrate` puts the real names of the books table here. A body that is text records no dependency, so the
-- table's owner may drop it and write it anew at any time.
create or replace function books_rows() returns table (isbn10 text, format text, language text, price numeric)
language sql stable parallel safe as
$$ select null::text, null::text, null::text, null::numeric where false $$;

create or replace view books as select isbn10, format, language, price from books_rows();
comment on view books is 'The catalogue as its owner keeps it; the function books_rows knows the real table and columns.';

-- The row with the smallest (format, language) counts where an ISBN has several.
create or replace view catalogue as
select distinct on (canonical_isbn(isbn10)) canonical_isbn(isbn10) as isbn10, format, language, price
from books
where isbn10 is not null
order by canonical_isbn(isbn10), format collate "C", language collate "C", price;
comment on view catalogue is 'One row for each canonical ISBN of the catalogue.';

create or replace view sales as
select p.hour, p.user_id, p.isbn10, c.format, c.language, c.isbn10 is not null as matched,
    p.quantity, p.unit_price, p.sale_value, p.purchased_at, p.extra
from purchases p left join catalogue c on c.isbn10 = canonical_isbn(p.isbn10);
comment on view sales is 'Purchases with the format and language of their book; unmatched ones included.';
