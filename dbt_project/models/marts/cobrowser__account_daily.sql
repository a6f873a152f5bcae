{{ account_figures('select distinct day from ' ~ ref('cobrowser__hours'), ['day']) }}
