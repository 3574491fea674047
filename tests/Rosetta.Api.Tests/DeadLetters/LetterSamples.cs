using System.Buffers.Binary;
using Npgsql;
using Rosetta.Api.Tests.Hosting;
using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Api.Tests.DeadLetters;

/// <summary>Dead letters of a real table, with values in the form in which its server sends them.</summary>
static class LetterSamples
{
    public const string Ddl =
        """
        CREATE TYPE mood AS ENUM ('sad', 'happy "so"');
        CREATE TABLE letters (id int PRIMARY KEY, amount numeric(12,2), at timestamptz, feels mood, tags text[], code char(5), fine bool, big text);
        INSERT INTO letters VALUES (7, 1, NULL, 'sad', NULL, 'x', false, 'as it was');
        """;

    const string Values =
        """
        SELECT int4send(7), numeric_send(12.50), timestamptz_send('2026-01-02 03:04:05.000006+00'), enum_send('happy "so"'::mood), array_send(ARRAY['a', 'b,c', NULL]),
            bpcharsend('ab   '), boolsend(true), textsend('large')
        """;

    public static readonly TableName Table = new("public", "letters");

    /// <summary>An update whose large value was not touched.</summary>
    public static async Task<ParkedChange> ReadAsync(string connectionString)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        var columns = new List<RelationColumn>();
        await using (var command = new NpgsqlCommand("SELECT attname, atttypid, atttypmod, attname = 'id' FROM pg_attribute WHERE attrelid = 'letters'::regclass AND attnum > 0 ORDER BY attnum", connection))
        await using (var rows = await command.ExecuteReaderAsync())
        {
            while (await rows.ReadAsync()) columns.Add(new RelationColumn(rows.GetString(0), rows.GetFieldValue<uint>(1), rows.GetInt32(2), rows.GetBoolean(3)));
        }

        await using var values = new NpgsqlCommand(Values, connection);
        await using var row = await values.ExecuteReaderAsync();
        await row.ReadAsync();
        var tuple = new MemoryStream();
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt16BigEndian(number, (short)columns.Count);
        tuple.Write(number[..2]);
        for (var i = 0; i < columns.Count; i++)
        {
            if (columns[i].Name == "big")
            {
                tuple.WriteByte((byte)'u');
                continue;
            }

            var bytes = row.GetFieldValue<byte[]>(i);
            tuple.WriteByte((byte)'b');
            BinaryPrimitives.WriteInt32BigEndian(number, bytes.Length);
            tuple.Write(number);
            tuple.Write(bytes);
        }

        return new ParkedChange(new Relation(1, "public", "letters", ReplicaIdentity.Default, columns), ChangeKind.Update, ChangeFlags.None, default, tuple.ToArray());
    }

    public static DeadLetter Of(int number, ParkedChange? change, DeadLetterFailure? failure = null, int tries = 0) => new(
        Table, new Position(new Lsn((ulong)(number * 16)), number % 3), 9, 5_000_001, ChangeKind.Update, ["7"], change is null ? new byte[] { 9 } : Encode(change), failure,
        new DateTimeOffset(2026, 11, 29, 1, 2, 3, TimeSpan.Zero).AddSeconds(number))
    {
        Tries = tries,
    };

    public static DeadLetterFailure Refused { get; } = new(ErrorClass.Data, "new row violates check constraint \"no\"", "23514");

    public static async Task<(DeadLetterQueue Queue, long Epoch)> OpenAsync(ApiHost api, long pipeline, long destination)
    {
        var definition = (await api.Store.Pipelines.FindAsync(pipeline, default))!;
        var queue = new DeadLetterQueue(definition.Source.Id, pipeline, destination, definition.Destinations.Single().Generation);
        var epoch = (await api.Store.Epochs.IssueAsync(pipeline, "node", default))!.Value;
        await api.Letters.OpenAsync(queue, epoch, default);
        return (queue, epoch);
    }

    static byte[] Encode(ParkedChange change) =>
        ParkedChange.Encode(change.Relation, change.New.Span, new Change(change.Kind, change.Flags, 0, -1, 0, change.New.Length));
}
