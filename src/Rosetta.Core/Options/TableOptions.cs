using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;
using Rosetta.Core.Tables;

namespace Rosetta.Core.Options;

/// <summary>Changes of a source that a destination does not want of a table.</summary>
[Flags]
public enum IgnoredChanges
{
    None = 0,
    Update = 1,
    Delete = 2,
    Truncate = 4,
}

/// <summary>What a destination wants of a table beyond its rows as they are: docs/tables.md. All values are scalars, so that equal options are equal.</summary>
[JsonConverter(typeof(TableOptionsJson))]
public sealed record TableOptions
{
    public const string DefaultDeletedColumn = "_deleted_at";
    public const string DefaultDeletedFlagColumn = "_deleted";
    public const string DefaultCommitTimeColumn = "_rosetta_commit_time";
    public const string DefaultLsnColumn = "_rosetta_lsn";
    public const string DefaultOperationColumn = "_rosetta_operation";

    /// <summary>What <see cref="OperationColumn"/> says of rows that came by a copy.</summary>
    public const string CopyOperation = "copy";

    public static readonly TableOptions None = new();

    /// <summary>Rows are not deleted, but marked in this column; null: they are deleted.</summary>
    public string? DeletedColumn { get; init; }

    /// <summary>The mark is true, and false for rows that live; otherwise it is the time of the delete, and NULL for those.</summary>
    public bool MarksByFlag { get; init; }

    /// <summary>The column's name where none is given.</summary>
    public static string DefaultDeletedName(bool marksByFlag) => marksByFlag ? DefaultDeletedFlagColumn : DefaultDeletedColumn;

    /// <summary>A condition in SQL: the row is marked as deleted. A flag that is NULL, in a column that was there before, is none.</summary>
    /// <param name="column">The deleted column, as SQL.</param>
    public string IsMarked(string column) => MarksByFlag ? $"{column} IS TRUE" : $"{column} IS NOT NULL";

    /// <summary>The row lives.</summary>
    /// <inheritdoc cref="IsMarked"/>
    public string IsLiving(string column) => MarksByFlag ? $"{column} IS NOT TRUE" : $"{column} IS NULL";

    public IgnoredChanges Ignore { get; init; }

    /// <summary>Gets the commit time at the source of a row's last change; null: there is none. Unknown, so NULL, for rows that were copied.</summary>
    public string? CommitTimeColumn { get; init; }

    /// <summary>Gets the commit LSN of a row's last change, or the position of the snapshot it was copied from.</summary>
    public string? LsnColumn { get; init; }

    /// <summary>Gets insert, update, delete, truncate or copy.</summary>
    public string? OperationColumn { get; init; }

    /// <summary>The target gets indexes, constraints and comments of the source's table; null: as the node is set. Has no part in the rows.</summary>
    public bool? WithIndexes { get; init; }

    /// <summary>Those that have a part in the rows.</summary>
    public TableOptions OfRows => WithIndexes is null ? this : this with { WithIndexes = null };

    /// <summary>The ignored changes as the API names them.</summary>
    public IReadOnlyList<string> IgnoredWords =>
    [
        .. new[] { (IgnoredChanges.Update, "update"), (IgnoredChanges.Delete, "delete"), (IgnoredChanges.Truncate, "truncate") }
            .Where(i => (Ignore & i.Item1) != 0).Select(i => i.Item2),
    ];

    /// <summary>The metadata that is wanted, as the API names it, and the columns that get it.</summary>
    public IReadOnlyList<(string Word, string Column)> MetadataNames =>
    [
        .. new[] { ("commit_time", CommitTimeColumn), ("lsn", LsnColumn), ("operation", OperationColumn) }
            .Where(m => m.Item2 is not null).Select(m => (m.Item1, m.Item2!)),
    ];

    public bool SoftDeletes => DeletedColumn is not null;

    public bool HasMetadata => CommitTimeColumn is not null || LsnColumn is not null || OperationColumn is not null;

    /// <summary>Rows that only the destination has are right there: deletes of them were not wanted.</summary>
    public bool KeepsExtra => (Ignore & (IgnoredChanges.Delete | IgnoredChanges.Truncate)) != 0;

    /// <summary>The destination may have a row that the source makes anew, so that an insert has to look.</summary>
    public bool MayHaveRow => SoftDeletes || Ignore != IgnoredChanges.None;

    /// <summary>A table that is copied again keeps rows that are there, so that the copy is brought beside them.</summary>
    public bool Merges(TableDescription table) => MayHaveRow && table.PrimaryKey.Count > 0;

    /// <summary>The columns it adds to the table, in the order in which rows have them.</summary>
    public IEnumerable<ColumnDescription> Columns
    {
        get
        {
            if (DeletedColumn is { } flag && MarksByFlag)
                yield return Column(flag, 16, "boolean") with { DefaultSql = "false", MissingValue = "false", HasDefault = true };
            else if (DeletedColumn is { } deleted)
                yield return Column(deleted, 1184, "timestamp with time zone");
            if (CommitTimeColumn is { } committed)
                yield return Column(committed, 1184, "timestamp with time zone");
            if (LsnColumn is { } lsn)
                yield return Column(lsn, 3220, "pg_lsn");
            if (OperationColumn is { } operation)
                yield return Column(operation, 25, "text");
        }
    }

    public IEnumerable<string> ColumnNames => Columns.Select(c => c.Name);

    /// <summary>The same for options that make the same rows, in a few characters; null for none.</summary>
    public string? Fingerprint
    {
        get
        {
            if (OfRows == None)
                return null;
            var text = string.Join('\0', DeletedColumn, ((int)Ignore).ToString(System.Globalization.CultureInfo.InvariantCulture), CommitTimeColumn, LsnColumn, OperationColumn);
            // What came later has no part where it is not used: rows that were made before stay.
            if (MarksByFlag)
                text += "\0flag";
            return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 8));
        }
    }

    /// <summary>The source's table as the destination is to have it.</summary>
    public TableDescription Describe(TableDescription table) => OfRows == None ? table : table with { Columns = [.. table.Columns, .. Columns] };

    /// <summary>Why a table cannot have them, and what to do; null when it can.</summary>
    public (string Reason, string Remedy)? Misfit(TableDescription table, IReadOnlyList<string>? wanted)
    {
        if (table.Columns.FirstOrDefault(c => ColumnNames.Contains(c.Name) && (wanted?.Contains(c.Name) ?? true)) is { } taken)
            return ($"Table {table.Name} has a column {taken.Name} of its own, where one is to be added.", "Name the added column otherwise in its table_syncs entry (deleted_column, metadata_names).");
        if (SoftDeletes && (!table.HasReplicaIdentity || (table.PrimaryKey.Count == 0 && table.IdentityColumns.Count == 0)))
        {
            return (
                $"Deletes of table {table.Name} cannot be kept as marks: it has no key by which a marked row is found again.",
                $"Give it a primary key, or set delete_mode to hard: ALTER TABLE {table.Name.ToSql()} ADD PRIMARY KEY (...);");
        }

        return null;
    }

    static ColumnDescription Column(string name, uint type, string sql) => new(name, type, -1, sql, false, null, null, null, true);
}
