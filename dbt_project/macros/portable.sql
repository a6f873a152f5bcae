{# The differences between the three warehouses. Date-times are `timestamp` in UTC everywhere. #}

{% macro timezone() -%}
    {{ var('timezone', env_var('TAP_COBROWSER_TIMEZONE', 'Europe/Amsterdam')) }}
{%- endmacro %}

{# A column by the name that its target uses; null if it is missing. #}
{% macro column(name, there) -%}
    {%- if execute and name | lower not in there -%}
        null
    {%- else -%}
        {{ adapter.quote(name | upper if target.type == 'snowflake' else name) }}
    {%- endif -%}
{%- endmacro %}

{# A loaded date-time, in UTC, whatever the zone of the session is. Some tables in DuckDB keep the zone. #}
{% macro utc(expression) -%}
    {%- if target.type == 'duckdb' and expression | trim != 'null' -%}
        make_timestamp(epoch_us({{ expression }}))
    {%- elif target.type == 'snowflake' -%}
        cast({{ expression }} as timestamp_ntz)
    {%- else -%}
        cast({{ expression }} as timestamp)
    {%- endif -%}
{%- endmacro %}

{# The local time in the account's zone, from a date-time in UTC. #}
{% macro local(moment) -%}
    {{ convert_zone(moment, 'UTC', timezone()) }}
{%- endmacro %}

{# The date-time in UTC, from a local time in the account's zone. #}
{% macro from_local(time) -%}
    {{ convert_zone(time, timezone(), 'UTC') }}
{%- endmacro %}

{% macro convert_zone(time, from_zone, to_zone) -%}
    {%- if target.type == 'snowflake' -%}
        convert_timezone('{{ from_zone }}', '{{ to_zone }}', {{ time }})
    {%- else -%}
        (({{ time }} at time zone '{{ from_zone }}') at time zone '{{ to_zone }}')
    {%- endif -%}
{%- endmacro %}

{# 1 is Monday, 7 is Sunday. #}
{% macro weekday(time) -%}
    {%- if target.type == 'snowflake' -%}
        dayofweekiso({{ time }})
    {%- else -%}
        cast(extract(isodow from {{ time }}) as integer)
    {%- endif -%}
{%- endmacro %}

{# A percentile of the values. Nulls do not count. #}
{% macro percentile(expression, share) -%}
    percentile_cont({{ share }}) within group (order by {{ expression }})
{%- endmacro %}

{# Sum ÷ sum; null if the denominator is zero or null. #}
{% macro ratio(numerator, denominator) -%}
    cast({{ numerator }} as double precision) / nullif({{ denominator }}, 0)
{%- endmacro %}

{# The current time, as a timestamp in UTC. #}
{% macro now_in_utc() -%}
    {%- if target.type == 'snowflake' -%}
        cast(convert_timezone('UTC', current_timestamp()) as timestamp_ntz)
    {%- else -%}
        (current_timestamp at time zone 'UTC')
    {%- endif -%}
{%- endmacro %}
