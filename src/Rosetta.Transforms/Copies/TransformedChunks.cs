using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;

namespace Rosetta.Transforms.Copies;

/// <summary>What a transform makes of a table that is read in chunks.</summary>
/// <param name="Made">The table as the destination is to have it.</param>
/// <param name="Read">What is read of the source for it; the part of the filter that PostgreSQL understands alike is its condition.</param>
/// <param name="HasFilter">Rows may be left out.</param>
/// <param name="Make">Rows as they are read into rows as the destination is to have them.</param>
public sealed record TransformedChunks(ChunkTable Made, ChunkTable Read, bool HasFilter, Func<ICopySource, ICopySource> Make);
