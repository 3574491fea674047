using System.Buffers.Binary;
using System.Globalization;
using Rosetta.Core.Chunks;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Snapshot;

/// <summary>The key of a row that came in COPY's binary form, in text form as ranges have it.</summary>
static class LastRow
{
    /// <summary>The server makes the text of the bytes, as it would of the row.</summary>
    public static async ValueTask<IReadOnlyList<string>> KeyAsync(PgConnection connection, ChunkTable table, ReadOnlyMemory<byte> row, CancellationToken cancellationToken)
    {
        var fields = Fields(row);
        var key = table.Key.Select(k => table.Columns.ToList().IndexOf(k)).ToList();
        using var pipeline = connection.CreatePipeline();
        pipeline.Prepare(
            "", $"SELECT {string.Join(", ", key.Select((_, i) => string.Create(CultureInfo.InvariantCulture, $"${i + 1}::text")))}",
            [.. table.Key.Select(k => table.Table.Columns.First(c => c.Name == k).TypeOid)]);
        pipeline.Execute("", [.. key.Select(k => PgParameter.Binary(fields[k]))], binaryResults: false);
        var found = (await pipeline.RunAsync(cancellationToken)).ThrowIfFailed()[1];
        return [.. Enumerable.Range(0, key.Count).Select(i => found.RequiredText(0, i))];
    }

    // The count, then each value behind its length; a NULL, which no key has, is as long as an empty value here.
    static List<ReadOnlyMemory<byte>> Fields(ReadOnlyMemory<byte> row)
    {
        var fields = new List<ReadOnlyMemory<byte>>();
        for (var at = 2; at < row.Length;)
        {
            var length = Math.Max(0, BinaryPrimitives.ReadInt32BigEndian(row.Span[at..]));
            fields.Add(row.Slice(at + 4, length));
            at += 4 + length;
        }

        return fields;
    }
}
