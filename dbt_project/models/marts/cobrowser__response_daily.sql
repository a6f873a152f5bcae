select
    conversations.account_id,
    conversations.day,
    max(accounts.name) as account_name,
    count(*) as conversations,
    count(conversations.first_response_seconds) as responded,
    {{ percentile('conversations.first_response_seconds', 0.5) }} as first_response_p50,
    {{ percentile('conversations.first_response_seconds', 0.9) }} as first_response_p90,
    {{ percentile('conversations.mean_response_seconds', 0.5) }} as mean_response_p50,
    {{ percentile('conversations.mean_response_seconds', 0.9) }} as mean_response_p90,
    sum(case when conversations.responded_within_target then 1 else 0 end) as within_target,
    {{ ratio(
        'sum(case when conversations.responded_within_target then 1 else 0 end)',
        'count(conversations.first_response_seconds)',
    ) }} as share_within_target
from {{ ref('cobrowser__conversations') }} as conversations
left join {{ ref('stg_cobrowser__accounts') }} as accounts on conversations.account_id = accounts.id
group by conversations.account_id, conversations.day
