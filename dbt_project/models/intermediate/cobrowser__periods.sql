-- Periods of whole weeks that end with the last complete day, each beside the one before it. The
-- last day of the data may not be over. The shortest period is there even if the data are shorter.
with bounds as (
    select min(day) as first_day, max(day) as last_day from {{ ref('cobrowser__hours') }}
),

ends as (
    select
        first_day,
        greatest(first_day, cast({{ dbt.dateadd('day', -1, 'last_day') }} as date)) as last_day
    from bounds
    where first_day is not null
),

wanted as (
    {%- for weeks in var('report_weeks') %}
    {%- for part in ['current', 'previous'] %}
    {%- set ago = 7 * weeks if part == 'previous' else 0 %}
    select
        {{ weeks }} as weeks,
        '{{ part }}' as part,
        first_day as first_day_of_data,
        cast({{ dbt.dateadd('day', 1 - 7 * weeks - ago, 'last_day') }} as date) as first_day,
        cast({{ dbt.dateadd('day', 0 - ago, 'last_day') }} as date) as last_day
    from ends
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select
    weeks,
    part,
    greatest(first_day, first_day_of_data) as first_day,
    last_day
from wanted
where
    first_day >= first_day_of_data
    or (part = 'current' and weeks = {{ var('report_weeks') | min }})
