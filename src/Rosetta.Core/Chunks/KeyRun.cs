namespace Rosetta.Core.Chunks;

/// <summary>Keys that a destination has, in its own order, to be looked up at the source: how rows that only the destination has are found where both sides may order keys differently.</summary>
/// <param name="Keys">In text form, column by column.</param>
/// <param name="IsLast">The destination has no keys behind these.</param>
/// <param name="ByBytes">By column of the key: the destination tells texts apart by their bytes, whatever the source's collation calls equal.</param>
public sealed record KeyRun(IReadOnlyList<IReadOnlyList<string>> Keys, bool IsLast, IReadOnlyList<bool> ByBytes);

/// <summary>A run of keys after it was looked up.</summary>
/// <param name="Missing">Those that the source does not have; null: those of which no row was staged.</param>
public sealed record SweptKeys(KeyRun Run, IReadOnlyList<IReadOnlyList<string>>? Missing);
