using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Text;
using Rosetta.Core.Destinations;
using Rosetta.Core.Options;
using Rosetta.Core.Positions;
using Xunit;

namespace Rosetta.Core.Tests.Options;

public sealed class CopiedRowsTests
{
    static readonly byte[] Signature = [0x50, 0x47, 0x43, 0x4F, 0x50, 0x59, 0x0A, 0xFF, 0x0D, 0x0A, 0];

    [Fact]
    public async Task Should_append_to_every_binary_row_wherever_the_pieces_are_cut()
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        byte[]?[][] rows = [.. Enumerable.Range(0, 50).Select(_ => Enumerable.Range(0, 3).Select(_ => random.Next(4) == 0 ? null : Bytes(random)).ToArray())];
        var plain = Stream(rows);
        var wanted = Stream([.. rows.Select(r => (byte[]?[])[.. r, [0, 0, 0, 1, 0, 0, 0, 2], Encoding.UTF8.GetBytes("copy")])]);

        for (var round = 0; round < 200; round++)
        {
            var made = await CutAsync(plain, CopyFormat.Binary, random);
            Assert.True(wanted.AsSpan().SequenceEqual(made), $"seed {seed}, round {round}");
        }
    }

    [Fact]
    public async Task Should_append_to_every_line_of_text()
    {
        var random = new Random(1);
        var made = Encoding.UTF8.GetString(await CutAsync(Encoding.UTF8.GetBytes("1\ta\\nb\n2\t\\N\n"), CopyFormat.Text, random));

        Assert.Equal("1\ta\\nb\t1/2\tcopy\n2\t\\N\t1/2\tcopy\n", made);
    }

    static async Task<byte[]> CutAsync(byte[] whole, CopyFormat format, Random random)
    {
        var options = new TableOptions { LsnColumn = "at", OperationColumn = "op" };
        var rows = CopiedRows.Of(new Pieces(whole, random), options, format, new Lsn((1UL << 32) | 2));
        Assert.Equal(["id", "at", "op"], rows.ColumnNames);
        var output = new List<byte>();
        await foreach (var piece in rows.ReadAsync(CancellationToken.None))
            output.AddRange(piece.ToArray());
        return [.. output];
    }

    sealed class Pieces(byte[] whole, Random random) : ICopySource
    {
        public IReadOnlyList<string> ColumnNames => ["id"];

        public async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
        {
            for (var at = 0; at < whole.Length;)
            {
                var length = Math.Min(random.Next(1, 40), whole.Length - at);
                yield return whole.AsMemory(at, length);
                at += length;
                await Task.CompletedTask;
            }
        }
    }

    static byte[] Bytes(Random random)
    {
        var bytes = new byte[random.Next(0, 30)];
        random.NextBytes(bytes);
        return bytes;
    }

    static byte[] Stream(byte[]?[][] rows)
    {
        List<byte> stream = [.. Signature, 0, 0, 0, 0, 0, 0, 0, 0];
        foreach (var row in rows)
        {
            Add16((short)row.Length);
            foreach (var value in row)
            {
                Add32(value?.Length ?? -1);
                stream.AddRange(value ?? []);
            }
        }

        Add16(-1);
        return [.. stream];

        void Add16(short number)
        {
            Span<byte> bytes = stackalloc byte[2];
            BinaryPrimitives.WriteInt16BigEndian(bytes, number);
            stream.AddRange(bytes);
        }

        void Add32(int number)
        {
            Span<byte> bytes = stackalloc byte[4];
            BinaryPrimitives.WriteInt32BigEndian(bytes, number);
            stream.AddRange(bytes);
        }
    }
}
