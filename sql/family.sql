-- Which cost family a bill is counted in: what core::bill::family goes by.
-- grain:  one row per charge type
-- input:  bill, through cost_line (sql/source)
-- output: charge type, lines that have a net cost. Unordered.
with cost_line as (
{{cost_line}}
)
select
    charge_type,
    sum(case when has_net then 1 else 0 end) as net_rows
from cost_line
group by charge_type
