using System.Globalization;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Fencing;
using Rosetta.Postgres.Destination.Fold;
using Rosetta.Postgres.Destination.Plans;
using Rosetta.Postgres.Destination.Targets;

namespace Rosetta.Postgres.Destination.Statements;

/// <summary>The SQL of one table plan, built when first needed. A column that turns out to come as text makes all of it anew.</summary>
sealed class TableStatements(TablePlan plan)
{
    static int s_number;

    readonly Dictionary<(Form Form, int Shape, int Variant), PreparedSql> _prepared = [];
    readonly Dictionary<(StageUse Use, int Shape, bool IsNumbered), StageTable> _stages = [];

    enum StageUse
    {
        Updates,
        Inserts,
        Deletes,
    }

    enum Form
    {
        Insert,
        Update,
        UpdateKey,
        Upsert,
        UpsertKey,
        Delete,
        UpdateWhole,
        UpsertWhole,
        DeleteWhole,
        UpdateStaged,
        DeleteStaged,
        Pend,
        PendMissing,
        Park,
        UpdateRows,
        InsertRows,
        InsertMissing,
        InsertStaged,
    }

    string Table => plan.Target.Name.ToSql();

    /// <summary>COPY straight into the table; of no use when <see cref="NeedsCast"/>.</summary>
    public string CopySql => field ??= $"COPY {Table} ({string.Join(", ", plan.Columns.Select(c => c.Sql))}) FROM STDIN (FORMAT binary)";

    public bool NeedsCast => plan.Columns.Any(c => c.NeedsCast);

    public IEnumerable<StageTable> Stages => _stages.Values;

    public IEnumerable<PreparedSql> Prepared => _prepared.Values;

    /// <summary>Forgets all statements, after a column turned out to be text.</summary>
    public void Reset()
    {
        _prepared.Clear();
        _stages.Clear();
    }

    /// <summary>The stage for rows of a shape: its columns are c0, c1 ... by position in the plan.</summary>
    /// <param name="isNumbered">They are followed by the number of the row's run, which is what statements over them take as their parameter.</param>
    public StageTable RowStage(int shape, bool isNumbered) => Stage(StageUse.Updates, shape, isNumbered, plan.Columns.Where(c => plan.Shapes.Has(shape, c.RelationIndex)));

    /// <summary>The stage for rows to be inserted after a cast.</summary>
    /// <inheritdoc cref="RowStage"/>
    public StageTable InsertStage(bool isNumbered) => Stage(StageUse.Inserts, RowShapes.Full, isNumbered, plan.Columns);

    /// <summary>The stage for keys to be deleted.</summary>
    /// <inheritdoc cref="RowStage"/>
    public StageTable KeyStage(bool isNumbered) => Stage(StageUse.Deletes, 0, isNumbered, plan.Columns.Where(c => c.IsKey));

    /// <summary>Inserts a row: a parameter per column.</summary>
    public PreparedSql Insert() => Prepare(Form.Insert, 0, () => InsertSql(Values()));

    /// <summary>
    /// Updates a row by key: parameters are the columns of <see cref="SetColumns"/>, then the key columns' old values.
    /// </summary>
    public PreparedSql Update(int shape, bool keyChanges) => Prepare(
        keyChanges ? Form.UpdateKey : Form.Update, shape, () =>
        {
            var set = SetColumns(shape, keyChanges);
            return $"UPDATE {plan.Target.OnlySql} AS t SET {string.Join(", ", set.Select((c, i) => $"{c.Sql} = {c.Parameter(i + 1)}"))} WHERE {KeyEquals(set.Count + 1)}";
        });

    /// <summary>
    /// The columns an update by key sets: key columns only when they change, or when there are no others; while the table is being copied always, as the row that is
    /// there may have an equal key of another form (1.0 for 1.00).
    /// </summary>
    public IReadOnlyList<BoundColumn> SetColumns(int shape, bool keyChanges)
    {
        var present = Present(shape);
        var others = present.Where(c => !c.IsKey).ToList();
        return keyChanges || others.Count == 0 || plan.IsCopying ? present : others;
    }

    /// <summary>
    /// The same for a whole row, which is inserted when there is none: parameters are all columns, then the key columns' old values; the row count is that
    /// of inserted rows.
    /// </summary>
    public PreparedSql Upsert(bool keyChanges) => Prepare(
        keyChanges ? Form.UpsertKey : Form.Upsert, 0,
        () => $"WITH u AS ({UpdateAllSql(keyChanges)} RETURNING 1) {InsertSql($"SELECT {TypedParameters()} WHERE NOT EXISTS (SELECT FROM u)")}");

    /// <summary>Deletes a row: parameters are the key columns.</summary>
    public PreparedSql Delete() => Prepare(Form.Delete, 0, () => $"DELETE FROM {plan.Target.OnlySql} AS t WHERE {KeyEquals(1)}");

    /// <summary>Updates exactly one row that equals the old one: parameters are the shape's columns, then all columns' old values.</summary>
    public PreparedSql UpdateWhole(int shape) => Prepare(Form.UpdateWhole, shape, () => UpdateWholeSql(shape));

    /// <summary>The same for a whole row, which is inserted when there is none that equals the old one.</summary>
    public PreparedSql UpsertWhole() => Prepare(
        Form.UpsertWhole, 0, () => $"WITH u AS ({UpdateWholeSql(RowShapes.Full)} RETURNING 1) {InsertSql($"SELECT {TypedParameters()} WHERE NOT EXISTS (SELECT FROM u)")}");

    /// <summary>Deletes exactly one row that equals the given one.</summary>
    public PreparedSql DeleteWhole() => Prepare(Form.DeleteWhole, 0, () => $"DELETE FROM {plan.Target.OnlySql} AS t WHERE {OneRow(1)}");

    /// <summary>Updates the rows that have a staged one.</summary>
    public PreparedSql UpdateStaged(int shape, bool isNumbered) => Prepare(Form.UpdateStaged, shape, isNumbered, () =>
    {
        return $"UPDATE {plan.Target.OnlySql} AS t SET {string.Join(", ", SetColumns(shape, keyChanges: false).Select(c => $"{c.Sql} = {Staged(c)}"))} FROM pg_temp.{RowStage(shape, isNumbered).Name} AS s WHERE {KeyEqualsStaged()}{OfRun(isNumbered)}";
    });

    /// <summary>Inserts the staged rows of which the table has none.</summary>
    public PreparedSql InsertMissing(bool isNumbered) => Prepare(Form.InsertMissing, 0, isNumbered, () => InsertSql(
        $"SELECT {string.Join(", ", plan.Columns.Select(Staged))} FROM pg_temp.{RowStage(RowShapes.Full, isNumbered).Name} AS s WHERE NOT EXISTS (SELECT FROM {plan.Target.OnlySql} AS t WHERE {KeyEqualsStaged()}){OfRun(isNumbered)}"));

    /// <summary>Inserts all staged rows.</summary>
    public PreparedSql InsertStaged(bool isNumbered) => Prepare(Form.InsertStaged, 0, isNumbered, () => InsertSql(
        $"SELECT {string.Join(", ", plan.Columns.Select(Staged))} FROM pg_temp.{InsertStage(isNumbered).Name} AS s WHERE true{OfRun(isNumbered)}"));

    /// <summary>Deletes the rows whose key is staged.</summary>
    public PreparedSql DeleteStaged(bool isNumbered) => Prepare(
        Form.DeleteStaged, 0, isNumbered,
        () => $"DELETE FROM {plan.Target.OnlySql} AS t USING pg_temp.{KeyStage(isNumbered).Name} AS s WHERE {KeyEqualsStaged()}{OfRun(isNumbered)}");

    /// <summary>Updates several rows by key: parameters are the shape's columns, row by row.</summary>
    public PreparedSql UpdateRows(int shape, int rows) => Prepare((Form.UpdateRows, shape, rows), () =>
    {
        var present = Present(shape);
        var set = SetColumns(shape, keyChanges: false).Select(c => $"{c.Sql} = s.{StagedName(c)}");
        var isIt = present.Where(c => c.IsKey).Select(c => $"t.{c.Sql} = s.{StagedName(c)}");
        return $"UPDATE {plan.Target.OnlySql} AS t SET {string.Join(", ", set)} FROM (VALUES {Rows(present, rows)}) AS s ({string.Join(", ", present.Select(StagedName))}) WHERE {string.Join(" AND ", isIt)}";
    });

    /// <summary>Inserts several rows: parameters are all columns, row by row.</summary>
    public PreparedSql InsertRows(int rows) => Prepare((Form.InsertRows, RowShapes.Full, rows), () => InsertSql($"VALUES {Rows(plan.Columns, rows)}"));

    static string Rows(IReadOnlyList<BoundColumn> columns, int rows) => string.Join(
        ", ", Enumerable.Range(0, rows).Select(row => $"({string.Join(", ", columns.Select((c, i) => c.TypedParameter((row * columns.Count) + i + 1)))})"));

    /// <summary>Makes a key pending: parameters are its columns.</summary>
    public PreparedSql Pend(PositionRow row) => Prepare(Form.Pend, 0, () => StoredTables.PendSql(row, plan.Source, $"SELECT {KeyParameters()} AS key"));

    /// <summary>Makes the keys of staged rows pending that the table does not have.</summary>
    public PreparedSql PendMissing(PositionRow row, int shape, bool isNumbered) => Prepare(Form.PendMissing, shape, isNumbered, () => StoredTables.PendSql(
        row, plan.Source, $"SELECT DISTINCT {KeyTexts(Staged)} AS key FROM pg_temp.{RowStage(shape, isNumbered).Name} AS s WHERE NOT EXISTS (SELECT FROM {plan.Target.OnlySql} AS t WHERE {KeyEqualsStaged()}){OfRun(isNumbered)}"));

    /// <summary>
    /// Records a parked change: parameters are commit LSN, ordinal, whether it failed itself; with a key its bytes and columns; with a key that it moves to the
    /// same of that. Returns the key as an array of text in JSON, null without one.
    /// </summary>
    public PreparedSql Park(PositionRow row, bool hasKey, bool moves) => Prepare(Form.Park, (hasKey ? 1 : 0) + (moves ? 2 : 0), () =>
    {
        const int first = 4;
        var second = first + 1 + plan.Key.Length;
        return $"INSERT INTO rosetta.parked (installation, pipeline_id, generation, source_schema, source_table, commit_lsn, ordinal, failed, key_bytes, key, moved_to_bytes, moved_to) "
            + $"SELECT {row.KeyValuesSql}, {SqlIdentifier.Literal(plan.Source.Schema)}, {SqlIdentifier.Literal(plan.Source.Name)}, $1::pg_lsn, $2::bigint, $3::boolean, "
            + $"{KeyAndBytes(hasKey, first)}, {KeyAndBytes(moves, second)} RETURNING array_to_json(key)::text";

        string KeyAndBytes(bool isThere, int parameter) =>
            isThere ? string.Create(CultureInfo.InvariantCulture, $"${parameter}::bytea, {KeyParameters(parameter)}") : "NULL::bytea, NULL::text[]";
    });

    // In the order of the source's primary key, which is the destination's.
    string KeyTexts(Func<BoundColumn, string> value) =>
        $"ARRAY[{string.Join(", ", plan.Target.PrimaryKey.Select(k => $"{value(plan.Columns.First(c => c.Target.Name == k))}::text"))}]";

    /// <param name="before">How many parameters come before the key's columns.</param>
    string KeyParameters(int before = 0)
    {
        var keys = plan.Columns.Where(c => c.IsKey).ToList();
        return KeyTexts(c => c.TypedParameter(keys.IndexOf(c) + 1 + before));
    }

    string InsertSql(string rows) => $"INSERT INTO {Table} ({string.Join(", ", plan.Columns.Select(c => c.Sql))}) OVERRIDING SYSTEM VALUE {rows}";

    string Values() => $"VALUES ({Parameters()})";

    string Parameters() => string.Join(", ", plan.Columns.Select((c, i) => c.Parameter(i + 1)));

    string TypedParameters() => string.Join(", ", plan.Columns.Select((c, i) => c.TypedParameter(i + 1)));

    string UpdateWholeSql(int shape)
    {
        var present = Present(shape);
        return $"UPDATE {plan.Target.OnlySql} AS t SET {string.Join(", ", present.Select((c, i) => $"{c.Sql} = {c.Parameter(i + 1)}"))} WHERE {OneRow(present.Count + 1)}";
    }

    string UpdateAllSql(bool keyChanges)
    {
        var set = SetColumns(RowShapes.Full, keyChanges);
        var assignments = plan.Columns.Select((c, i) => (Column: c, Sql: $"{c.Sql} = {c.Parameter(i + 1)}")).Where(p => set.Contains(p.Column)).Select(p => p.Sql);
        return $"UPDATE {plan.Target.OnlySql} AS t SET {string.Join(", ", assignments)} WHERE {KeyEquals(plan.Columns.Count + 1)}";
    }

    // Composite types are compared as records, and a record alone cannot be read.
    string KeyEquals(int first) => string.Join(" AND ", plan.Columns.Where(c => c.IsKey)
        .Select((c, i) => $"t.{c.Sql} = {(c.Target.TypeOid >= TypeFit.FirstUserOid ? c.TypedParameter(first + i) : c.Parameter(first + i))}"));

    string KeyEqualsStaged() => string.Join(" AND ", plan.Columns.Where(c => c.IsKey).Select(c => $"t.{c.Sql} = {Staged(c)}"));

    string Staged(BoundColumn column) => column.Convert($"s.{StagedName(column)}");

    // *= compares rows by their stored form: NULL equals NULL, it works for types without equality, and 1.0 is not 1.00.
    string OneRow(int first)
    {
        var rowId = plan.Target.Kind == 'p' ? "(tableoid, ctid)" : "ctid";
        var columns = plan.Target.Kind == 'p' ? "m.tableoid, m.ctid" : "m.ctid";
        var mine = string.Join(", ", plan.WholeColumns.Select(c => $"m.{c.Sql}"));
        var given = string.Join(", ", plan.WholeColumns.Select((c, i) => c.TypedParameter(first + i)));
        return $"{rowId} = (SELECT {columns} FROM {plan.Target.OnlySql} AS m WHERE ROW({mine})::record OPERATOR(pg_catalog.*=) ROW({given})::record LIMIT 1)";
    }

    List<BoundColumn> Present(int shape) => plan.Columns.Where(c => plan.Shapes.Has(shape, c.RelationIndex)).ToList();

    static string OfRun(bool isNumbered) => isNumbered ? " AND s.n = $1" : "";

    static string StagedName(BoundColumn column) => string.Create(CultureInfo.InvariantCulture, $"c{column.RelationIndex}");

    PreparedSql Prepare(Form form, int shape, Func<string> sql) => Prepare((form, shape, 0), sql);

    PreparedSql Prepare(Form form, int shape, bool isNumbered, Func<string> sql) => Prepare((form, shape, isNumbered ? 1 : 0), sql);

    PreparedSql Prepare((Form Form, int Shape, int Variant) which, Func<string> sql)
    {
        if (!_prepared.TryGetValue(which, out var statement))
            _prepared[which] = statement = new PreparedSql($"rosetta_{NextNumber()}", sql());
        return statement;
    }

    StageTable Stage(StageUse use, int shape, bool isNumbered, IEnumerable<BoundColumn> columns)
    {
        if (!_stages.TryGetValue((use, shape, isNumbered), out var stage))
        {
            var name = $"rosetta_stage_{NextNumber()}";
            var definitions = string.Join(", ", columns.Select(c => $"{StagedName(c)} {c.StageTypeSql}").Concat(isNumbered ? (string[])["n int4"] : []));
            _stages[(use, shape, isNumbered)] = stage = new StageTable(
                name, $"CREATE TEMP TABLE {name} ({definitions}) ON COMMIT DELETE ROWS", $"COPY pg_temp.{name} FROM STDIN (FORMAT binary)", isNumbered);
        }

        return stage;
    }

    static string NextNumber() => Interlocked.Increment(ref s_number).ToString(CultureInfo.InvariantCulture);
}
