-- The transaction's one temporary table for files that have unknown columns, or no price.
create temporary table incoming on commit drop as
select user_id, isbn10, quantity, unit_price, sale_value, purchased_at from purchase_rows with no data
