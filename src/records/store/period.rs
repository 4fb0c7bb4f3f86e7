//! Lists that are restricted to a period of time, in the order of their ids: the one order whose
//! cursor stays where it is while records change.

/// How many rows are looked at first for the records of a period.
pub(super) const REACH: i64 = 2000;

/// Declares how the records of a kind are chosen, also by a period:
/// `by_period!(table.time of Kind, |filter: &Filter, writers| from … to …; column => value, …)`.
///
/// `chosen` are those that have the given values, in the order of the first one's index.
/// `ids_of_period` is one page of those of a period. They are sought in two ways in turn, each time
/// eight times as far: by time, all of the period, to be sorted; and by id, from the newest on, until
/// the page is full. So a page costs what the cheaper way does: little where the period has few
/// records, is recent, or is most of the table, and more only where it has many and as many others lie
/// before them.
macro_rules! by_period {
    (
        $table:ident.$time:ident of $kind:ty,
        |$filter:ident: &$chosen:ty, $writers:ident| from $from:expr, to $to:expr;
        $($column:ident => $value:expr,)+
    ) => {
        type Ids<'a> = diesel::dsl::IntoBoxed<
            'a,
            diesel::dsl::Select<$table::table, $table::id>,
            <AnyConnection as diesel::Connection>::Backend,
        >;

        /// The ids of those that have the values asked for, whenever that was.
        fn chosen<'a>($filter: &'a $chosen, $writers: &WriterFilter) -> Ids<'a> {
            let mut query = $table::table.select($table::id).into_boxed();
            only!(query; $($table::$column => $value,)+);
            query
        }

        fn ids_of_period(
            connection: &mut AnyConnection,
            filter: &$chosen,
            writers: &WriterFilter,
            limit: Limit,
            after: Option<RecordId<$kind>>,
        ) -> Result<Vec<String>> {
            let page = limit.get() as i64 + 1;
            let mut reach = super::period::REACH;
            loop {
                let beyond = by_time(filter).order($table::$time).offset(reach).limit(1);
                let is_short = beyond.load::<String>(connection)?.is_empty();
                if is_short {
                    return Ok(sorted(filter, writers, after).limit(page).load(connection)?);
                }
                let end = by_id(filter, writers, after).offset(reach).limit(1);
                let end = end.load::<String>(connection)?.pop();
                let found = walked(filter, writers, after, end.as_deref()).limit(page);
                let found: Vec<String> = found.load(connection)?;
                if end.is_none() || found.len() as i64 == page {
                    return Ok(found);
                }
                reach = reach.saturating_mul(8);
            }
        }

        /// The ids of the period, whatever else is asked for.
        fn by_time($filter: &$chosen) -> Ids<'_> {
            let (from, to): (Option<Moment>, Option<Moment>) = ($from, $to);
            let mut query = $table::table.select($table::id).into_boxed();
            if let Some(from) = from {
                query = query.filter($table::$time.ge(from.naive_utc()));
            }
            if let Some(to) = to {
                query = query.filter($table::$time.lt(to.naive_utc()));
            }
            query
        }

        /// The ids of the period that have the values asked for, found by the index on time: no
        /// other index has this order, and SQLite looks up no negated comparison in an index.
        fn sorted<'a>(
            $filter: &'a $chosen,
            $writers: &WriterFilter,
            after: Option<RecordId<$kind>>,
        ) -> Ids<'a> {
            let mut query = by_time($filter);
            $(if let Some(value) = $value {
                let column = $table::$column.nullable().assume_not_null();
                query = query.filter(diesel::dsl::not(column.ne(value)));
            })+
            if let Some(id) = after {
                query = query.filter(diesel::dsl::not($table::id.ge(id.to_string())));
            }
            query.order($table::id.concat("").desc())
        }

        /// The ids of any time, in the order of an index.
        fn by_id<'a>(
            filter: &'a $chosen,
            writers: &WriterFilter,
            after: Option<RecordId<$kind>>,
        ) -> Ids<'a> {
            let mut query = chosen(filter, writers);
            if let Some(id) = after {
                query = query.filter($table::id.lt(id.to_string()));
            }
            query.then_order_by($table::id.desc())
        }

        /// The ids of the period down to an id, in order.
        fn walked<'a>(
            filter: &'a $chosen,
            writers: &WriterFilter,
            after: Option<RecordId<$kind>>,
            end: Option<&'a str>,
        ) -> Ids<'a> {
            let mut query = by_id(filter, writers, after);
            if let Some(end) = end {
                query = query.filter($table::id.ge(end));
            }
            compared(query, filter)
        }

        /// Restricts a query to the period; negated as above, so that SQLite does not take the index
        /// on time.
        fn compared<'a>(mut query: Ids<'a>, $filter: &'a $chosen) -> Ids<'a> {
            let (from, to): (Option<Moment>, Option<Moment>) = ($from, $to);
            if let Some(from) = from {
                query = query.filter(diesel::dsl::not($table::$time.lt(from.naive_utc())));
            }
            if let Some(to) = to {
                query = query.filter(diesel::dsl::not($table::$time.ge(to.naive_utc())));
            }
            query
        }
    };
}
pub(super) use by_period;
