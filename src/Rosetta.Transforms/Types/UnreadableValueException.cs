namespace Rosetta.Transforms.Types;

/// <summary>A value that cannot be given to an expression, or that PostgreSQL cannot take from one, without changing it. Never a NULL in its place.</summary>
public sealed class UnreadableValueException(string reason) : Exception(reason);
