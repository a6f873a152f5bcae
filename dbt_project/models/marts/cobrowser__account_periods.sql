{%- set days -%}
    select periods.weeks, periods.part, days.day
    from {{ ref('cobrowser__periods') }} as periods
    inner join (select distinct day from {{ ref('cobrowser__hours') }}) as days
        on days.day between periods.first_day and periods.last_day
{%- endset -%}
with figures as (
    {{ account_figures(days, ['weeks', 'part']) }}
)

select
    periods.first_day,
    periods.last_day,
    figures.*
from figures
inner join {{ ref('cobrowser__periods') }} as periods on figures.weeks = periods.weeks and figures.part = periods.part
