using Npgsql;
using NpgsqlTypes;
using Rosetta.Core.Positions;
using Rosetta.Core.Spill;

namespace Rosetta.Store.Spill;

/// <summary>A row of <c>spill_logs</c>.</summary>
/// <param name="WholePart">The last part that does not reach past <paramref name="Through"/>.</param>
sealed record LogRow(
    Lsn From, Lsn Through, long FirstPart, long WholePart, long LastPart, long Transactions, long Bytes, long RawBytes, string? Abandoned, DateTimeOffset? Oldest)
{
    /// <summary>In the order of <see cref="Read"/>; of a table <c>l</c>.</summary>
    public const string Columns =
        """
        l.from_lsn, l.through_lsn, l.first_part, l.whole_part, l.last_part, l.transactions, l.bytes, l.raw_bytes, l.abandoned,
        (SELECT p.written_at FROM spill_parts p WHERE p.pipeline_id = l.pipeline_id AND p.destination_id = l.destination_id AND p.sequence = l.first_part) AS oldest
        """;

    public const int ColumnCount = 10;

    public static LogRow Read(NpgsqlDataReader row) => new(
        Lsn(row, 0), Lsn(row, 1), row.GetInt64(2), row.GetInt64(3), row.GetInt64(4), row.GetInt64(5), row.GetInt64(6), row.GetInt64(7),
        row.IsDBNull(8) ? null : row.GetString(8), row.IsDBNull(9) ? null : new DateTimeOffset(row.GetDateTime(9)));

    public static Lsn Lsn(NpgsqlDataReader row, int column) => new((ulong)row.GetFieldValue<NpgsqlLogSequenceNumber>(column));

    /// <summary>Null: nothing is there, and nothing is to be known of it.</summary>
    public SpillExtent? ToExtent(SpillLog log) => FirstPart > LastPart && Abandoned is null
        ? null
        : new SpillExtent(log, From, Through, LastPart - FirstPart + 1, Transactions, Bytes, RawBytes, Oldest, Abandoned);
}

/// <summary>A part as it is stored.</summary>
/// <param name="Rented">Holds <paramref name="Stored"/>.</param>
sealed record PartRow(
    long Sequence, Lsn? Through, int Transactions, string Method, uint Checksum, int Bytes, int RawBytes, ReadOnlyMemory<byte> Stored, byte[] Rented);
