using System.Globalization;
using System.Runtime.CompilerServices;
using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Snapshot;

/// <summary>
/// COPY TO STDOUT of one table inside a snapshot. The table's lock (ACCESS SHARE) is taken in a subtransaction and given back when the copy
/// ends, so that a schema change of the application waits for the copy of that table at most, not for the whole snapshot.
/// </summary>
public sealed class SnapshotCopySource : ICopySource
{
    readonly PgConnection _connection;
    readonly TableDescription _table;
    readonly string? _rowFilter;
    readonly Func<CancellationToken, ValueTask<string?>>? _condition;

    /// <param name="condition">Found out with the lock held, before the rows are read: the rows to be read; null for all.</param>
    internal SnapshotCopySource(
        PgConnection connection, TableDescription table, IReadOnlyList<string> columnNames, CopyFormat format, string? rowFilter,
        Func<CancellationToken, ValueTask<string?>>? condition = null)
    {
        _condition = condition;
        _connection = connection;
        _table = table;
        _rowFilter = rowFilter;
        ColumnNames = columnNames;
        Format = format;
    }

    public IReadOnlyList<string> ColumnNames { get; }

    /// <summary>Binary, unless a column's type has no binary form.</summary>
    public CopyFormat Format { get; }

    /// <inheritdoc/>
    public long? Rows { get; private set; }

    /// <inheritdoc/>
    /// <exception cref="TableRewrittenException">The table was rewritten, dropped or made anew since the snapshot: copy it from a new one.</exception>
    /// <exception cref="PgException">The source failed.</exception>
    public async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Rows = 0;
        try
        {
            await LockAsync(cancellationToken);
            var condition = _condition is null ? null : await _condition(cancellationToken);
            await using var copy = await _connection.CopyOutAsync(CopySql(condition), cancellationToken);
            while (await copy.ReadAsync(cancellationToken: cancellationToken) is { } chunk)
            {
                using (chunk)
                {
                    Rows += chunk.RowCount;
                    yield return chunk.Memory;
                }
            }
        }
        finally
        {
            if (!_connection.IsBroken)
                await _connection.QueryAsync("ROLLBACK TO SAVEPOINT copy; RELEASE SAVEPOINT copy", CancellationToken.None);
        }
    }

    // Names are looked up in today's catalog and rows through yesterday's snapshot: a table that was rewritten since (ALTER TABLE with a new
    // type, TRUNCATE) looks empty in it. With the lock held, the storage that the snapshot's pg_class names has to be today's.
    async Task LockAsync(CancellationToken cancellationToken)
    {
        var name = _table.Name.ToSql();
        var oid = _table.Oid.ToString(CultureInfo.InvariantCulture);
        PgResult changed;
        try
        {
            changed = await _connection.QueryAsync(
                $"""
                SAVEPOINT copy; LOCK TABLE {name} IN ACCESS SHARE MODE;
                SELECT to_regclass({SqlIdentifier.Literal(name)})::oid IS DISTINCT FROM {oid}::oid OR EXISTS (
                  SELECT FROM pg_class c WHERE (c.oid = {oid} OR c.oid IN (SELECT relid FROM pg_partition_tree({oid}::oid::regclass)))
                    AND c.relkind = 'r' AND c.relfilenode IS DISTINCT FROM pg_relation_filenode(c.oid))
                """, cancellationToken);
        }
        catch (PgServerException e) when (e.SqlState is "42P01" or "3F000")
        {
            throw Changed(e);
        }

        if (changed.RequiredText(0, 0) == "t")
            throw Changed(null);
    }

    TableRewrittenException Changed(Exception? cause) => new(_table.Name, cause);

    string CopySql(string? condition)
    {
        var name = _table.Name.ToSql();
        var columns = string.Join(", ", ColumnNames.Select(SqlIdentifier.Quote));
        var format = Format == CopyFormat.Binary ? " (FORMAT binary)" : "";
        if (_rowFilter is null && condition is null && !_table.IsPartitioned && ColumnNames.Count > 0)
            return $"COPY {name} ({columns}) TO STDOUT{format}";
        string[] conditions = [.. new[] { _rowFilter, condition }.OfType<string>().Select(c => $"({c})")];
        var where = conditions.Length == 0 ? "" : $" WHERE {string.Join(" AND ", conditions)}";
        return $"COPY (SELECT {columns} FROM {(_table.IsPartitioned ? "" : "ONLY ")}{name}{where}) TO STDOUT{format}";
    }
}
