namespace Rosetta.Store.Secrets;

/// <summary>Who this installation is (its uuid is in the config database and in every destination), with the key to its secrets.</summary>
public sealed record Installation(Guid Uuid, SecretProtector Secrets);
