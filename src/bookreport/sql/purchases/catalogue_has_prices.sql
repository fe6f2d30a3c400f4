-- Whether the catalogue has any prices.
select exists (select from catalogue where price is not null) as has_prices
