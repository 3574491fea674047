namespace Rosetta.Core.Chunks;

/// <summary>How far a first copy in the order of the source's storage has come: what a later chunk has still to bring lies on the pages from here on.</summary>
/// <param name="Pages">Pages that have been copied, from the first on.</param>
/// <param name="File">pg_class.relfilenode: in another file rows have other places.</param>
public readonly record struct PageMark(long Pages, uint File);

/// <summary>A range that was loaded straight into a table: up to a key, or up to a page.</summary>
/// <param name="IsLast">It went to the end of the table.</param>
public sealed record LoadedRange(IReadOnlyList<string>? UpTo, PageMark? Pages, bool IsLast)
{
    public static LoadedRange Of(ChunkRange range) => new(range.UpTo, null, range.IsLast);
}
