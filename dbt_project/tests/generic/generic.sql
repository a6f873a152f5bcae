{# Rows that share a key of several columns. #}
{% test unique_key(model, columns) %}
select {{ columns | join(', ') }}
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}

{# Values outside a range. #}
{% test in_range(model, column_name, least=none, most=none) %}
select {{ column_name }}
from {{ model }}
where
    {{ column_name }} < {{ least if least is not none else column_name }}
    or {{ column_name }} > {{ most if most is not none else column_name }}
{% endtest %}

{# Rates that are not the numerator divided by the denominator, or that are not null without one. #}
{% test is_ratio(model, column_name, numerator, denominator) %}
select {{ column_name }}, {{ numerator }}, {{ denominator }}
from {{ model }}
where
    ({{ column_name }} is null) <> ({{ denominator }} is null or {{ denominator }} = 0)
    or abs({{ column_name }} * {{ denominator }} - {{ numerator }}) > 0.000001 * {{ denominator }}
{% endtest %}

{# Values that are greater than those of another column, such as more accepted requests than requests. #}
{% test at_most(model, column_name, other) %}
select {{ column_name }}, {{ other }}
from {{ model }}
where {{ column_name }} > {{ other }}
{% endtest %}

{# Ids that join no row, if the stream that they join is loaded. #}
{% test refers_to(model, column_name, to, field) %}
select from_here.{{ column_name }}
from {{ model }} as from_here
left join {{ to }} as there on from_here.{{ column_name }} = there.{{ field }}
where
    from_here.{{ column_name }} is not null
    and there.{{ field }} is null
    and exists (select 1 from {{ to }})
{% endtest %}
