namespace Rosetta.Api.Access;

/// <summary>A setting of the API is wrong; start-up stops with this message, which names it. Never repeats a key.</summary>
public sealed class ApiSettingException(string message) : Exception(message);
