using System.Runtime.CompilerServices;
using System.Text;
using Npgsql;
using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>COPY TO of a table, by the library: what a snapshot worker would bring.</summary>
sealed class SqlCopySource(NpgsqlConnection connection, string sql, IReadOnlyList<string> columns) : ICopySource, IAsyncDisposable
{
    public IReadOnlyList<string> ColumnNames { get; } = columns;

    public static async Task<SqlCopySource> OpenAsync(string connectionString, TableCopy copy)
    {
        var columns = copy.Table.Columns.Where(c => c.Generated is null && (copy.Route.Columns?.Contains(c.Name) ?? true)).Select(c => c.Name).ToList();
        var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        var format = copy.Format == CopyFormat.Binary ? " (FORMAT binary)" : "";
        return new SqlCopySource(connection, $"COPY {copy.Table.Name.ToSql()} ({string.Join(", ", columns.Select(SqlIdentifier.Quote))}) TO STDOUT{format}", columns);
    }

    public async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (sql.EndsWith("STDOUT", StringComparison.Ordinal))
        {
            using var text = await connection.BeginTextExportAsync(sql, cancellationToken);
            while (await text.ReadLineAsync(cancellationToken) is { } line)
                yield return Encoding.UTF8.GetBytes(line + "\n");
            yield break;
        }

        await using var stream = await connection.BeginRawBinaryCopyAsync(sql, cancellationToken);
        var buffer = new byte[8192];
        int read;
        while ((read = await stream.ReadAsync(buffer, cancellationToken)) > 0)
            yield return buffer.AsMemory(0, read);
    }

    public ValueTask DisposeAsync() => connection.DisposeAsync();
}
