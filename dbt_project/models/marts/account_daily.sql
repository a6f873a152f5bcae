{{ account_figures('select distinct day from ' ~ ref('hours'), ['day']) }}
