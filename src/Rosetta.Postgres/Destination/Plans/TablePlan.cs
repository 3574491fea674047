using Rosetta.Core.Changes;
using Rosetta.Core.Destinations;
using Rosetta.Core.Options;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Copies;
using Rosetta.Postgres.Destination.Fold;
using Rosetta.Postgres.Destination.Parking;
using Rosetta.Postgres.Destination.Statements;
using Rosetta.Postgres.Destination.Targets;

namespace Rosetta.Postgres.Destination.Plans;

/// <summary>How one relation's changes get into its table: columns, key, mode, statements, and the fold of the run under way.</summary>
sealed class TablePlan : IDisposable
{
    TablePlan(
        Relation relation, TableName source, TargetTable target, IReadOnlyList<BoundColumn> columns, int[] key, bool keyIsPrimary, RowSource rows,
        TableOptions options)
    {
        Options = options;
        Relation = relation;
        Source = source;
        Target = target;
        Columns = columns;
        Key = key;
        KeyIsPrimary = keyIsPrimary;
        Shapes = new RowShapes(relation.Columns.Count);
        Bound = new BoundColumn?[relation.Columns.Count];
        foreach (var column in columns)
            Bound[column.RelationIndex] = column;
        var added = options.ColumnNames.ToHashSet();
        WholeColumns = added.Count == 0 ? columns : [.. columns.Where(c => !added.Contains(c.Target.Name))];
        BoundWhole = added.Count == 0 ? Bound : [.. Bound.Select(c => c is not null && added.Contains(c.Target.Name) ? null : c)];
        MarkShape = options.SoftDeletes ? Shapes.NumberOf(Marks(relation, key, added)) : None;
        Identity = Enumerable.Range(0, relation.Columns.Count).Where(i => relation.Columns[i].IsKey).ToArray();
        Fold = new TableFold(rows, Shapes, key, Identity);
        Statements = new TableStatements(this);
        // A column whose type is not known to have a binary form is looked at before rows are encoded.
        WatchesText = columns.Any(c => relation.Columns[c.RelationIndex].TypeOid >= 10000 || relation.Columns[c.RelationIndex].TypeOid == AclItem);
    }

    const uint AclItem = 1033;

    const int None = -1;

    /// <summary>What is wanted of the table beyond its rows.</summary>
    public TableOptions Options { get; }

    /// <summary>A TRUNCATE of the source is not applied.</summary>
    public bool IgnoresTruncate => (Options.Ignore & IgnoredChanges.Truncate) != 0;

    /// <summary>The shape of rows that only say that a row is deleted; -1 when deletes delete.</summary>
    public int MarkShape { get; }

    /// <summary>The columns by which a row without a key is found: all but those that options add.</summary>
    public IReadOnlyList<BoundColumn> WholeColumns { get; }

    /// <summary>The same by position in the relation.</summary>
    public BoundColumn?[] BoundWhole { get; }

    static ulong[] Marks(Relation relation, int[] key, HashSet<string> added)
    {
        var marks = new ulong[(relation.Columns.Count + 63) / 64];
        for (var i = 0; i < relation.Columns.Count; i++)
        {
            var isKey = relation.Identity == ReplicaIdentity.Full ? key.Contains(i) : relation.Columns[i].IsKey;
            if (isKey || added.Contains(relation.Columns[i].Name))
                marks[i / 64] |= 1UL << (i % 64);
        }

        return marks;
    }

    /// <summary>The relation as the stream describes it; replaced by an equal one after a reconnection.</summary>
    public Relation Relation { get; set; }

    public TableName Source { get; }

    public TargetTable Target { get; }

    /// <summary>The columns that are written, in the relation's order.</summary>
    public IReadOnlyList<BoundColumn> Columns { get; }

    /// <summary>The same by position in the relation; null for a column that is not wanted.</summary>
    public BoundColumn?[] Bound { get; }

    /// <summary>Positions of the key columns in the relation, ascending; empty for a table whose rows are found by all their values.</summary>
    public int[] Key { get; }

    public bool KeyIsPrimary { get; }

    /// <summary>Positions of the replica identity's columns: those that an old key tuple has values for.</summary>
    public int[] Identity { get; }

    public RowShapes Shapes { get; }

    public TableFold Fold { get; }

    public TableStatements Statements { get; }

    public bool WatchesText { get; }

    /// <summary>
    /// A DEFERRABLE constraint is not checked under the replica role, so this table's statements run under the ordinary one.
    /// </summary>
    public bool NeedsOriginRole { get; init; }

    /// <summary>Something of it may be checked at the COMMIT only.</summary>
    public bool MayDefer => Target.HasDeferrable || OrdersAcrossTables;

    public ApplyMode Mode { get; private set; }

    /// <summary>Every column of the table is written: nothing is lost when a row is deleted and made anew.</summary>
    public bool IsWhole { get; init; }

    /// <summary>An update met a second unique constraint: no updates in place from now on.</summary>
    public void AvoidUpdates()
    {
        if (Mode == ApplyMode.Fold)
            Mode = IsWhole ? ApplyMode.FoldReplace : ApplyMode.Exact;
    }

    /// <summary>Changes committed before are in the table's copy.</summary>
    public Lsn Since { get; set; }

    /// <summary>See <see cref="PlanBook.Catalog"/>.</summary>
    public int Catalog { get; set; }

    /// <summary>The table is being copied by chunks: any row may be there or not.</summary>
    public bool IsCopying
    {
        get => Fold.IsCopying;
        set => Fold.IsCopying = value;
    }

    /// <summary>An inserted row takes the place of one that is there: what is applied came late, and a copy may have brought the row meanwhile.</summary>
    public bool Replaces { get; set; }

    /// <summary>A row that is missing can be read at the source by its key, as a chunk of its own.</summary>
    public bool CanReadAgain => KeyIsPrimary && !MayDefer;

    /// <summary>Told the keys that change, while chunks are read.</summary>
    public Core.Chunks.KeyWatch? Watch { get; set; }

    /// <summary>The keys behind which changes wait; null: nothing of the table is parked.</summary>
    public TableBarrier? Barrier { get; set; }

    /// <summary>Keys that are equal have the same bytes, so that they can be told apart by them.</summary>
    public bool HasPlainKey => _hasPlainKey ??= KeyIsPrimary && Key.Length > 0 && Key.All(k => Bound[k] is { } column && KeyOrder.IsToldByBytes(Relation.Columns[k].TypeOid, column.Target));

    bool? _hasPlainKey;

    /// <summary>The chosen columns; null for all.</summary>
    public IReadOnlyList<string>? Wanted { get; set; }

    /// <summary>Nothing is applied in this group: not chosen, not copied yet, or stopped.</summary>
    public bool IsSkipped { get; set; }

    /// <summary>Change by change for the run under way, whatever <see cref="Mode"/> says.</summary>
    public bool ExactForRun { get; set; }

    /// <summary>The group holds nothing but inserts for it, so that keys need not be looked at.</summary>
    public bool OnlyInserts { get; set; }

    /// <summary>It has changes in the run under way.</summary>
    public bool IsTouched { get; set; }

    public RowCounts Counts { get; set; }

    /// <summary>Changes came that may be about rows that are not here (<see cref="ChangeFlags.MayBeAbsent"/>).</summary>
    public bool MayMiss { get; set; }

    /// <summary>Triggers or foreign keys act on it, so its changes keep their order among those of other such tables.</summary>
    public bool OrdersAcrossTables { get; init; }

    public bool AppliesExactly => ExactForRun || (Mode == ApplyMode.Exact && (!OnlyInserts || OrdersAcrossTables));

    /// <summary>A plan for changes that are not applied.</summary>
    public static TablePlan Skipped(Relation relation, TableName source, RowSource rows, TableName? target = null) =>
        new(relation, source, new TargetTable(0, target ?? source, 'r', [], [], false, false, false, false, []), [], [], false, rows, TableOptions.None) { IsSkipped = true };

    public static TablePlan Create(
        Relation relation, TableName source, TargetTable target, IReadOnlyList<BoundColumn> columns, int[] key, bool keyIsPrimary, bool replicaRole, RowSource rows,
        TableOptions options)
    {
        return new TablePlan(relation, source, target, columns, key, keyIsPrimary, rows, options)
        {
            Mode = ApplyModes.Choose(target, key.Length > 0, keyIsPrimary, replicaRole),
            IsWhole = target.Columns.Count(c => !c.Generated) == columns.Count,
            OrdersAcrossTables = !replicaRole && (target.HasUserTriggers || target.HasForeignKeys || target.ReferencedBy.Count > 0),
            NeedsOriginRole = replicaRole && target.HasDeferrable,
        };
    }

    public void EndRun()
    {
        Fold.Clear();
        IsTouched = false;
        ExactForRun = false;
    }

    public void Dispose() => Fold.Dispose();
}
