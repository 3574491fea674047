using System.Runtime.CompilerServices;
using Rosetta.Core.Destinations;
using Rosetta.Postgres.Wire;

namespace Rosetta.Transforms.Tests.Evaluation;

/// <summary>COPY's bytes, gathered.</summary>
sealed class CopyBytes(IReadOnlyList<string> names, byte[] content, int pieceSize) : ICopySource
{
    public IReadOnlyList<string> ColumnNames { get; } = names;

    public async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.CompletedTask;
        for (var at = 0; at < content.Length; at += pieceSize)
            yield return content.AsMemory(at, Math.Min(pieceSize, content.Length - at));
    }

    /// <summary>What a query gives, in COPY's binary form.</summary>
    public static async Task<byte[]> OfAsync(PgConnection connection, string query)
    {
        using var content = new MemoryStream();
        await using var copy = await connection.CopyOutAsync($"COPY ({query}) TO STDOUT (FORMAT binary)");
        while (await copy.ReadAsync() is { } chunk)
        {
            using (chunk)
                content.Write(chunk.Memory.Span);
        }

        return content.ToArray();
    }

    public static async Task<byte[]> OfAsync(ICopySource source)
    {
        using var content = new MemoryStream();
        await foreach (var piece in source.ReadAsync(CancellationToken.None))
            content.Write(piece.Span);
        return content.ToArray();
    }
}
