using Rosetta.Api.Sources;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Positions;
using Rosetta.Postgres.Letters;

namespace Rosetta.Api.DeadLetters;

/// <summary>Reads dead letters as they are shown, page by page.</summary>
sealed class LetterReader(LetterQueue queue, LetterFilter filter) : IAsyncDisposable
{
    /// <summary>Entries that are read at once, and what a page of answers holds of payloads, at most: both are in memory.</summary>
    public const int Portion = 50;
    public const long PageBytes = 16 << 20;

    /// <summary>Entries that are looked at for one page of a filter that fits few.</summary>
    const int MostLooked = 10_000;

    readonly ReadableChanges _readable = new(queue.Pipeline.Source.ToEndpoint());

    /// <param name="after">Only those behind it.</param>
    /// <returns>Next: where to go on; null: there is no more. It may come with fewer items than were asked for.</returns>
    public async Task<(IReadOnlyList<LetterAnswer> Items, Position? Next)> ReadAsync(Position? after, int limit, CancellationToken cancellationToken)
    {
        var letters = new List<DeadLetter>();
        var (looked, bytes) = (0, 0L);
        while (true)
        {
            var asked = filter.IsOpen ? Math.Min(Portion, limit - letters.Count) : Portion;
            var page = await queue.Store.ReadAsync(queue.Queue, filter.Table, after, asked, cancellationToken);
            foreach (var letter in page)
            {
                (after, looked, bytes) = (letter.At, looked + 1, bytes + letter.Payload.Length);
                if (filter.Fits(letter)) letters.Add(letter);
                if (letters.Count == limit || bytes > PageBytes || looked == MostLooked) return (await ShowAsync(letters, cancellationToken), after);
            }

            if (page.Count < asked) return (await ShowAsync(letters, cancellationToken), null);
        }
    }

    public async Task<IReadOnlyList<LetterAnswer>> ShowAsync(IReadOnlyList<DeadLetter> letters, CancellationToken cancellationToken)
    {
        var decoded = letters.Select(l => Decode(l.Payload)).ToList();
        var readable = new Queue<ReadableChange>(await _readable.ReadAsync([.. decoded.Select(d => d.Change).OfType<ParkedChange>()], cancellationToken));
        return [.. letters.Select((letter, i) =>
        {
            var shown = decoded[i].Change is null ? null : readable.Dequeue();
            return LetterAnswer.Of(letter, shown, decoded[i].Problem ?? (shown is { AsBytes.Count: > 0 } ? _readable.Problem : null), queue.Tries);
        })];
    }

    public async Task<LetterDetailAnswer> ShowWithCurrentAsync(DeadLetter letter, Func<ParkedChange, ReadableChange, Task<RowThere>> current, CancellationToken cancellationToken)
    {
        var (change, problem) = Decode(letter.Payload);
        var readable = change is null ? null : (await _readable.ReadAsync([change], cancellationToken))[0];
        var row = readable is null ? new RowThere(null, problem) : await current(change!, readable);
        return new LetterDetailAnswer(
            LetterAnswer.Of(letter, readable, problem ?? (readable is { AsBytes.Count: > 0 } ? _readable.Problem : null), queue.Tries),
            DeadLetterRemedy.For(letter.Failure?.Class, letter.Failure?.SqlState), row.Values, row.Problem);
    }

    public ValueTask DisposeAsync() => _readable.DisposeAsync();

    /// <returns>The change, or why it cannot be shown.</returns>
    public static (ParkedChange? Change, string? Problem) Decode(ReadOnlyMemory<byte> payload)
    {
        try
        {
            return (ParkedChange.Decode(payload), null);
        }
        catch (FormatException e)
        {
            return (null, $"The rows cannot be shown: {e.Message}");
        }
    }
}
