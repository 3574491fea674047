using System.Collections.Immutable;

namespace Rosetta.Store.Configuration;

/// <summary>A part of a list, and how long the whole list is.</summary>
public sealed record Page<T>(ImmutableArray<T> Items, long Total);
