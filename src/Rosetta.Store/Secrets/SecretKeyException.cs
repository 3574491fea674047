namespace Rosetta.Store.Secrets;

/// <summary>SECRET_KEY is missing, too short or not the one this installation's secrets were encrypted with. The node must not start.</summary>
public sealed class SecretKeyException(string message, Exception? innerException = null) : Exception(message, innerException);
