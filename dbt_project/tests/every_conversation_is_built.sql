-- Rows that the incremental table lacks: it is built by load time, and must not miss any.
select staged.browse_id, staged.conversation_start
from {{ ref('stg_cobrowser__conversations') }} as staged
left join {{ ref('cobrowser__conversations') }} as built
    on
        staged.browse_id = built.browse_id
        and staged.conversation_start = built.conversation_start
where built.browse_id is null
