-- From `config.meta.personal` of columns in this project: of the loaded tables and of the models.
{%- set found = [] -%}
{%- if execute -%}
    {%- for node in (graph.sources.values() | list + graph.nodes.values() | list) if node.package_name == 'cobrowser' and node.columns -%}
        {%- for column in node.columns.values() if column.meta.personal -%}
            {%- do found.append((node, column)) -%}
        {%- endfor -%}
    {%- endfor -%}
{%- endif -%}
{%- for node, column in found %}
select
    '{{ node.schema }}' as table_schema,
    '{{ node.identifier or node.alias }}' as table_name,
    '{{ column.name }}' as column_name,
    '{{ column.meta.personal }}' as kind,
    '{{ column.meta.whom }}' as whom,
    '{{ column.meta.why | replace("'", "''") }}' as why
{%- if not loop.last %}
union all
{%- endif %}
{%- else %}
select '' as table_schema, '' as table_name, '' as column_name, '' as kind, '' as whom, '' as why
where 1 = 0
{%- endfor %}
