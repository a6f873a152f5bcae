{{ config(severity='warn') }}
-- Hours in which an account accepted another number of chats than conversations began. The last
-- day is not over. The API's page does not promise that the two agree. Both have to be loaded.
with hours as (
    select account_id, hour_begin, day, sum(chats) as accepted, 0 as conversations
    from {{ ref('cobrowser__chat_hourly') }}
    where exists (select 1 from {{ ref('cobrowser__conversations') }})
    group by account_id, hour_begin, day
    union all
    select
        conversations.account_id,
        hours.hour_begin,
        hours.day,
        0 as accepted,
        count(*) as conversations
    from {{ ref('cobrowser__conversations') }} as conversations
    inner join {{ ref('cobrowser__hours') }} as hours
        on
            conversations.conversation_start >= hours.hour_begin
            and conversations.conversation_start < hours.hour_end
    where exists (select 1 from {{ ref('cobrowser__chat_hourly') }})
    group by conversations.account_id, hours.hour_begin, hours.day
)

select account_id, hour_begin, sum(accepted) as accepted, sum(conversations) as conversations
from hours
where day < (select max(day) from {{ ref('cobrowser__hours') }})
group by account_id, hour_begin
having sum(accepted) <> sum(conversations)
