namespace Rosetta.Postgres.Letters;

/// <summary>The rows of a parked change in text form, by column.</summary>
/// <param name="Old">The row before, as far as the stream told it: with the usual replica identity its key alone. Null: it told nothing.</param>
/// <param name="New">The row after; null for a delete.</param>
/// <param name="Unchanged">Columns of <paramref name="New"/> whose large values the update did not touch: they are not in the stream.</param>
/// <param name="AsBytes">Columns shown as the bytes that came (<c>\x...</c>), since no server was there to make text of them.</param>
public sealed record ReadableChange(
    IReadOnlyDictionary<string, string?>? Old, IReadOnlyDictionary<string, string?>? New, IReadOnlyList<string> Unchanged, IReadOnlyList<string> AsBytes);
