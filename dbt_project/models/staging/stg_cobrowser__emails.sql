-- Made from the catalog: python -m tools.staging
{%- set table = source('cobrowser', 'emails') %}
{%- set there = columns_of(table) %}
select
    cast({{ column('browse_id', there) }} as varchar) as browse_id,
    coalesce({{ column('id', there) }}, '') as id,
    {{ utc(column('timestamp', there)) }} as sent_at,
    {{ local(utc(column('timestamp', there))) }} as sent_at_local,
    cast({{ column('agent_id', there) }} as varchar) as agent_id,
    cast({{ column('to', there) }} as varchar) as email_to,
    cast({{ column('bcc', there) }} as varchar) as bcc,
    cast({{ column('subject', there) }} as varchar) as subject,
    cast({{ column('from', there) }} as varchar) as email_from,
    cast({{ column('account_id', there) }} as varchar) as account_id,
    {{ utc(column('_sdc_batched_at', there)) }} as loaded_at
from {{ rows_of(table) }}
